//! The JSON Schema of the fleet file, as editors get it.

use bartizan_core::fleet::json_schema;
use std::path::Path;

/// `BARTIZAN_BLESS=1 cargo nextest run -p bartizan-core` writes the file anew.
#[test]
fn the_golden_file_is_what_the_code_generates() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fleet.schema.json");
    if std::env::var_os("BARTIZAN_BLESS").is_some() {
        std::fs::write(&file, json_schema()).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(golden, json_schema(), "run with BARTIZAN_BLESS=1 and look at the difference");
}
