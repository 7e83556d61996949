//! From a document to an [`Api`]; every mistake of it is reported, each with its place.

use super::operation::{Context, is_secured};
use super::paths::{Paths, names};
use super::server::bases;
use super::{Api, Operation};
use crate::limits;
use crate::report::{ApiErrors, Report};
use crate::schema::{Compiler, Dialect, child};
use crate::source;
use bartizan_core::document::Document;

const METHODS: &[(&str, &str)] = &[
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    ("trace", "TRACE"),
];

impl Api {
    /// Compiles a document. `file` is its name for messages; `base` stands before every path in place of what `servers` says.
    ///
    /// # Errors
    /// Everything that is wrong with it. No part of such a document is of use.
    pub fn compile(text: &str, file: &str, base: Option<&str>) -> Result<Self, ApiErrors> {
        let root = source::read(text).map_err(|error| {
            one(file, |report| {
                report.refuse(error.place, "", error.problem, "");
            })
        })?;
        let dialect = dialect(&root, file)?;
        let mut compiler = Compiler::new(&root, dialect, file);
        let bases = bases(&root, &mut compiler.report, base);
        let (operations, paths) = read_paths(&root, &mut compiler, &bases);
        if let Some(schemas) = root.at("/components/schemas") {
            for (name, schema) in schemas.entries() {
                compiler.schema(schema, &child("/components/schemas", &name.text));
            }
        }
        let query_keys = query_keys(&root);
        let (schemas, warnings) = compiler.finish()?;
        Ok(Self { file: file.into(), schemas, operations, paths, bases, query_keys, warnings })
    }
}

fn one(file: &str, note: impl FnOnce(&mut Report)) -> ApiErrors {
    let mut report = Report::new(file);
    note(&mut report);
    report.finish().err().unwrap_or(ApiErrors { errors: Vec::new(), left_out: 0 })
}

fn dialect(root: &Document, file: &str) -> Result<Dialect, ApiErrors> {
    let said = root.get("openapi").and_then(Document::text).unwrap_or_default();
    let is_version = |minor: &str| said.strip_prefix(minor).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1);
    if is_version("3.0") {
        return Ok(Dialect::OpenApi30);
    }
    if is_version("3.1") {
        return Ok(Dialect::Draft202012);
    }
    Err(one(file, |report| {
        let (problem, way_out) = match root.get("swagger") {
            Some(_) => ("is a document of Swagger 2.0", "convert it to OpenAPI 3; the tool swagger2openapi does it"),
            None => ("`openapi` is neither 3.0.x nor 3.1.x", "begin with `openapi: 3.1.0`"),
        };
        report.refuse(root.get("openapi").unwrap_or(root).place, "openapi", problem, way_out);
    }))
}

fn read_paths<'d>(root: &'d Document, compiler: &mut Compiler<'d>, bases: &[Box<str>]) -> (Vec<Operation>, Paths) {
    let (mut operations, mut paths) = (Vec::new(), Paths::default());
    let secured = root.get("security").is_some_and(is_secured);
    let entries = root.get("paths").map(Document::entries).unwrap_or_default();
    if entries.is_empty() {
        compiler.report.refuse(root.place, "paths", "there is no path, so nothing would be let through", "add `paths`");
    }
    // Of several bases none is the one to show.
    let base = if let [base] = bases { base } else { "" };
    for (template, item) in entries.iter().filter(|(template, _)| !template.text.starts_with("x-")) {
        let at = child("/paths", &template.text);
        let names = match names(&template.text) {
            Ok(names) => names,
            Err(why) => {
                compiler.report.refuse(template.place, &at, why, "");
                continue;
            }
        };
        let item = match item.get("$ref") {
            None => item,
            Some(reference) => match compiler.resolve(reference, &at) {
                Ok((item, _)) => item,
                Err(_) => continue,
            },
        };
        if let Some(servers) = item.get("servers") {
            let way_out = "name them at the top, or put these paths into a document of their own";
            compiler.report.refuse(servers.place, &at, "servers of one path are not supported", way_out);
        }
        let first = operations.len();
        let shown = format!("{base}{}", template.text);
        for (key, method) in METHODS {
            let Some(said) = item.get(key) else { continue };
            if operations.len() >= limits::OPERATIONS_MAX {
                let problem = format!("more than {} operations", limits::OPERATIONS_MAX);
                compiler.report.refuse(said.place, &at, problem, "split the document");
                return (operations, paths);
            }
            let common_at = format!("{at}/parameters");
            let (common, shown, names) = (item.get("parameters"), shown.as_str(), names.as_slice());
            let number = operations.len();
            let mut context = Context { compiler, number, secured, shown, names, common, common_at: &common_at };
            operations.push(context.operation(method, said, &format!("{at}/{key}")));
        }
        if let Err(why) = paths.add(&template.text, (first..operations.len()).collect()) {
            compiler.report.refuse(template.place, &at, why, "keep one of the two");
        }
    }
    (operations, paths)
}

/// The names of API keys that travel in queries.
fn query_keys(root: &Document) -> Vec<Box<str>> {
    let schemes = root.at("/components/securitySchemes").map(Document::entries).unwrap_or_default();
    let in_query = schemes.iter().filter(|(_, it)| it.get("in").and_then(Document::text) == Some("query"));
    in_query.filter_map(|(_, it)| it.get("name")?.text().map(Into::into)).collect()
}
