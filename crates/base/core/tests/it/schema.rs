//! The JSON Schema of the fleet file, as editors get it.

use bartizan_core::fleet::{json_schema, objectives_schema, rules_schema};
use std::path::Path;

/// `BARTIZAN_BLESS=1 cargo nextest run -p bartizan-core` writes the file anew.
#[test]
fn the_golden_files_are_what_the_code_generates() {
    for (name, schema) in [
        ("fleet.schema.json", json_schema()),
        ("slo.schema.json", objectives_schema()),
        ("alert-rules.schema.json", rules_schema()),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("BARTIZAN_BLESS").is_some() {
            std::fs::write(&file, &schema).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(golden, schema, "run with BARTIZAN_BLESS=1 and look at the difference in {name}");
    }
}
