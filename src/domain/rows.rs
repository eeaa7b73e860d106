//! CSV and JSONL files: rows into job documents, with their places.
