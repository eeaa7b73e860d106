//! Files that are not what they say.

use super::*;

const HEADER: &str = "name,capacity,room_level_id,room_status.status,description\n";

fn with_header(rows: &str) -> String {
    refused(format!("{HEADER}{rows}").as_bytes())
}

fn row_faults(rows: &str) -> Vec<String> {
    csv(ROOM, &format!("{HEADER}{rows}")).iter().filter(|row| row.input.is_err()).flat_map(faults).collect()
}

#[test]
fn quotes_out_of_place_are_told_by_line_and_column_and_no_row_is_read() {
    let swallowed = with_header(
        "A,10,omb_x,true,\"65 inch screen\nB,10,omb_x,true,plain\nC,10,omb_x,true,plain\nD,10,omb_x,true,see 65\" screen\n",
    );
    assert_eq!(
        swallowed,
        "f.csv:2: column 5 (description): the quote that opens here is closed in the middle of a text on line 5: close it \
         where the cell ends, or double it if it is part of the text, as in \"65\"\" screen\""
    );
    let half = with_header("\"7F 65\" east\",10,omb_x,true,x\nB,10,omb_x,true,65\" wide\n");
    let lines: Vec<&str> = half.lines().collect();
    assert!(lines[0].starts_with("f.csv:2: column 1 (name): text behind the closing quote: "), "{half}");
    assert!(
        lines[1].starts_with("f.csv:3: column 5 (description): a quote inside a cell that does not begin"),
        "{half}"
    );
    assert_eq!(lines.len(), 2, "{half}");
    let open = with_header("A,10,omb_x,true,x\n\"7F-701,10,omb_x,true\nB,10,omb_x,true,x\n");
    assert!(open.starts_with("f.csv:3: column 1 (name): the quote that opens here is never closed: "), "{open}");
    assert_eq!(open.lines().count(), 1);
    assert!(refused(b"name,\"capacity\nA,10\n").starts_with("f.csv:1: column 2: the quote that opens here"));
}

#[test]
fn rows_inside_a_cell_are_a_fault() {
    let found = row_faults("A,10,omb_x,true,\"65 inch\nB,10,omb_x,true,see 65\"\nC,10,omb_x,true,x\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("column 5 (description): holds a line break, and behind it what looks like rows"));
    let text =
        csv(ROOM, &format!("{HEADER}A,10,omb_x,true,\"Ring twice.\nProjector, screen, board, two telephones, tea\"\n"));
    assert!(text[0].input.is_ok(), "{:?}", text[0].input);
}

#[test]
fn what_nobody_sees_in_a_header_is_named() {
    let invisible = refused("\u{200b}name,capacity\u{feff},room_level_id\n".as_bytes());
    let lines: Vec<&str> = invisible.lines().collect();
    assert_eq!(
        lines,
        [
            "f.csv:1: column 1 (name): the name holds what nobody sees, U+200B; remove it",
            "f.csv:1: column 2 (capacity): the name holds what nobody sees, U+FEFF; remove it"
        ]
    );
    assert!(refused(b"na\0me,capacity\n").contains("column 1 (name): the name holds what nobody sees, U+0000"));
    assert!(refused("\u{feff}\u{feff}name,capacity\n".as_bytes()).contains("byte order mark (U+FEFF) twice"));
}

#[test]
fn a_separator_line_counts_as_a_line() {
    let rows = csv(ROOM, "sep=,\nname,capacity,room_level_id\na,1,omb_o\nb,x,omb_o\n");
    assert_eq!((rows[0].line, rows[1].line), (3, 4));
    assert!(rows[0].input.is_ok());
    assert_eq!(csv(ROOM, "sep=;\nname;capacity;room_level_id\na;1;omb_o\n")[0].line, 3);
    assert!(refused("sep=，\nname\n".as_bytes()).starts_with("f.csv:1: says that the columns are separated by '，'"));
    assert!(refused(b"sep=,\nnmae\n").starts_with("f.csv:2: "));
}

fn refused_jsonl(text: &[u8]) -> String {
    match open("jobs.json", Some(ROOM), text) {
        Err(error) => error.to_string(),
        Ok(mut rows) => rows.find_map(Result::err).unwrap().to_string(),
    }
}

#[test]
fn json_that_is_not_line_by_line_is_told_with_the_remedy() {
    for array in ["[\n {\"id\":\"a\"}\n]\n", "[{\"id\":\"a\"}]", "\u{feff}\n  [\n"] {
        let found = refused_jsonl(array.as_bytes());
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(
            found.contains("is a JSON array; expected one job a line: `jq -c '.[]' jobs.json >jobs.jsonl`"),
            "{found}"
        );
    }
    for object in ["{\n  \"id\": \"a\"\n}\n", "{ \"id\": \"a\",\n  \"body\": {} }\n", "{\"jobs\": [\n"] {
        let found = refused_jsonl(object.as_bytes());
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(
            found.starts_with("jobs.json:1: is a JSON object over several lines; expected one job a line: `jq -c . ")
        );
        assert!(found.contains("`jq -c '.[]'`"), "{found}");
    }
    let rows = jsonl("{}\n{\"id\":\"x\",\"app\n{\"id\":\"y\"},\n");
    assert_eq!(faults(&rows[1]), ["not valid JSON: EOF while parsing a string at column 14"], "a line that was cut");
    assert_eq!(faults(&rows[2]), ["not valid JSON: trailing characters at column 11"]);
}

#[test]
fn rows_are_as_long_as_messages_may_be() {
    let read = |name: &str, text: &str, bytes_max: usize| -> Vec<Row> {
        let decoder = Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() });
        let (method, app) = (Some(ROOM.to_owned()), Some("acme".to_owned()));
        let layout = Layout::default();
        let input = Input { name: name.to_owned(), batch: "b".to_owned(), method, app, bytes_max, layout };
        Rows::open(decoder, input, Format::of(name).unwrap(), text.as_bytes()).unwrap().map(Result::unwrap).collect()
    };
    let line = r#"{"id":"a","body":{"name":"a","capacity":1,"room_level_id":"omb_o"}}"#;
    let text =
        format!("{line}\r\n{}\n{line}", line.replace("\"name\":\"a\"", &format!("\"name\":\"{}\"", "b".repeat(5_000))));
    let rows = read("f.jsonl", &text, line.len());
    assert!(rows[0].input.is_ok());
    let expected =
        format!("expected a job of at most {} bytes (intake.body_bytes_max), got {}", line.len(), line.len() + 4_999);
    assert_eq!(faults(&rows[1]), [expected]);
    assert_eq!(rows[1].input.as_ref().unwrap_err().id.as_deref(), Some("b:2"));
    assert_eq!((rows[2].line, rows[1].input.as_ref().unwrap_err().reason()), (3, Reason::Malformed));
    assert!(faults(&rows[2])[0].contains("already in f.jsonl:1"), "it is read");

    let file = format!("name,capacity,room_level_id\na,1,omb_o\n\"{}\nb\",1,omb_o\nc,1,omb_o\n", "b".repeat(5_000));
    let document = read("f.csv", &file, 10_000)[0].raw.len();
    let rows = read("f.csv", &file, document);
    assert!(rows[0].input.is_ok() && rows[2].input.is_ok());
    assert_eq!(rows[2].line, 5);
    assert!(faults(&rows[1])[0].ends_with("got 5012"), "{:?}", faults(&rows[1]));
    let rows = read("f.csv", &file, document - 1);
    assert!(faults(&rows[0])[0].ends_with(&format!("got {document}")), "as a message it is too long");
}

#[test]
fn formulas_are_no_values() {
    let rows = csv(
        ROOM,
        "id,name,capacity,room_level_id\n\"=\"\"0701\"\"\",a,1,omb_o\nb,=A1,1,omb_o\nc,c,=1+1,omb_o\n-abc,-7F,1,omb_o\n",
    );
    let rule =
        "expected a value, not a spreadsheet's formula: enter the value itself in a column formatted as text, got";
    for (row, start) in rows.iter().zip(["column 1 (id)", "column 2 (name)", "column 3 (capacity)"]) {
        assert_eq!(faults(row).len(), 1, "{:?}", faults(row));
        assert!(faults(row)[0].starts_with(&format!("{start}: {rule} ")), "{:?}", faults(row));
    }
    assert!(rows[3].input.is_ok(), "{:?}", rows[3].input);
    let bare = refused(b"name,capacity,room_level_id\na,1,omb_o\n=\"0701\",1,omb_o\n");
    assert!(bare.starts_with("f.csv:3: column 1 (name): expected a value, not a spreadsheet's formula"), "{bare}");
    let rows = csv(
        MEETING,
        "admin_userid,title,meeting_start,meeting_duration,settings.password\nz,t,1795248000,300,=A9182\n",
    );
    assert!(faults(&rows[0])[0].contains("the value is not shown") && !faults(&rows[0])[0].contains("9182"));
}

#[test]
fn a_text_of_one_line_has_one() {
    let found = row_faults(
        "\"7F\r\n701\",10,omb_x,true,\"a\nb\"\n7F\u{85}702,10,omb_x,true,\n\"7F\u{1b}[31m\",10,omb_x,true,\n",
    );
    assert_eq!(found[0], "column 1 (name): expected one line, got \"7F\\r\\n701\"");
    assert_eq!(found[1], "column 1 (name): expected no control characters, got U+0085");
    assert_eq!(found[2], "column 1 (name): expected no control characters, got U+001B");
    assert_eq!(found.len(), 3);
}

const EXPORT: &str =
    "id,name,capacity,room_level_id,method,app,batch,status,key,reason,code,detail,cure,log_id,finished_at,warnings\n";

fn returned(id: &str, name: &str, status: &str, key: &str) -> String {
    format!("{id},{name},1,omb_o,{ROOM},acme,b,{status},{key},,,,,,,\n")
}

fn read_back(text: &str, jobs: &[(&'static str, &'static str)]) -> Vec<Row> {
    let ids = RowIds::new(false, Some(Box::new(Ledger { numbered: Vec::new(), jobs: jobs.to_vec() })));
    let text = format!("{EXPORT}{text}");
    open("out.csv", None, text.as_bytes()).unwrap().with_ids(&ids).map(Result::unwrap).collect()
}

#[test]
fn ids_that_a_spreadsheet_changed_are_named_with_what_they_were() {
    let jobs =
        [("0701", "o_1"), ("0702", ""), ("2026E1", "o_3"), ("0704", ""), ("a", "o_5"), ("b", "o_6"), ("3-4", "o_7")];
    let rows = read_back(
        &[
            returned("701", "a", "succeeded", "o_1"),
            returned("702", "b", "held", ""),
            returned("2.03E+04", "c", "succeeded", "o_3"),
            returned("704", "d", "dead", ""),
            returned("04-Mar", "e", "succeeded", "o_7"),
        ]
        .concat(),
        &jobs,
    );
    for (row, pair) in
        rows.iter().zip(["701 was 0701", "702 was 0702", "2.03E+04 was 2026E1", "704 was 0704", "04-Mar was 3-4"])
    {
        let words =
            format!("column 1 (id): the spreadsheet has changed the ids: {pair}; take the ids from a new export");
        assert_eq!(faults(row), [words]);
        assert_eq!(row.input.as_ref().unwrap_err().reason(), Reason::IdConflict);
    }
}

#[test]
fn rows_of_an_export_that_are_not_of_their_jobs_are_refused() {
    let jobs = [("a", "o_5"), ("b", "o_6"), ("0701", "o_1"), ("00701", "o_2")];
    let rows = read_back(
        &[
            returned("a", "a", "succeeded", "o_6"),
            returned("x", "b", "queued", ""),
            returned("701", "c", "queued", ""),
            returned("b", "d", "succeeded", "o_6"),
            returned("new", "e", "", ""),
            returned("701b", "f", "dead", ""),
            returned("c", "g", "succeeded", ""),
        ]
        .concat(),
        &jobs,
    );
    let said = |row: &Row| faults(row).concat();
    assert!(said(&rows[0]).contains("belong to another row: o_6 is the key of b, not of a"), "{}", said(&rows[0]));
    assert!(
        said(&rows[1]).contains("should be in the ledger and is not") && said(&rows[1]).ends_with("got x (queued)")
    );
    assert!(said(&rows[2]).contains("701 was 0701 or 00701"), "{}", said(&rows[2]));
    assert!(rows[3..6].iter().all(|row| row.input.is_ok()), "its own, a new one, and one that is dead and corrected");
    assert!(said(&rows[6]).contains("should be in the ledger"));
    let plain = csv(ROOM, "id,name,capacity,room_level_id\n701,a,1,omb_o\n");
    assert!(plain[0].input.is_ok() && plain[0].returned.is_none(), "no export");
}

#[test]
fn cells_that_an_export_protected_are_what_they_were() {
    let rows = read_back(&returned("'0701", "'=A1", "succeeded", "'0099"), &[("0701", "0099")]);
    let job = rows[0].input.as_ref().unwrap();
    assert_eq!((job.id.as_str(), &job.params.body["name"]), ("0701", &json!("=A1")));
    let formula = read_back(&returned("0701", "=A1", "succeeded", "'0099"), &[("0701", "0099")]);
    assert!(faults(&formula[0])[0].contains("formula"), "the export did not write it so");
}
