//! What a ZIP archive holds, before anything of it is unpacked.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Refused;

/// Smaller parts are harmless, however well they are packed.
const HARMLESS_BYTES: u64 = 64 << 20;
/// XML of real workbooks packs to a tenth or a hundredth.
const RATIO_MAX: u64 = 400;
/// Texts of cells stand in memory.
const TEXTS_BYTES_MAX: u64 = 1 << 30;

pub(super) enum Inside {
    Xlsx,
    Xlsb,
    Ods,
}

/// What kind of workbook the archive is.
pub(super) fn look(source: impl Read + Seek) -> Result<Inside, Refused> {
    let mut archive = ZipArchive::new(source).map_err(of)?;
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).map_err(of)?;
        let (packed, unpacked) = (part.compressed_size(), part.size());
        let is_packed_too_well = unpacked > HARMLESS_BYTES && unpacked / packed.max(1) > RATIO_MAX;
        let name = part.name().map_err(of)?;
        let is_texts = name.ends_with("sharedStrings.xml");
        if is_packed_too_well || (is_texts && unpacked > TEXTS_BYTES_MAX) {
            return Err(Refused::Bomb { part: name.into_owned(), packed, unpacked });
        }
    }
    let has = |name: &str| archive.index_for_name(name).is_some();
    if has("xl/workbook.xml") {
        Ok(Inside::Xlsx)
    } else if has("xl/workbook.bin") {
        Ok(Inside::Xlsb)
    } else if has("content.xml") && has("mimetype") {
        Ok(Inside::Ods)
    } else {
        Err(Refused::NoWorkbook)
    }
}

fn of(error: ZipError) -> Refused {
    if let ZipError::Io(error) = error { Refused::Io(error) } else { Refused::Damaged(error.to_string()) }
}
