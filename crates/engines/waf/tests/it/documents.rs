//! Documents that are refused, each with its place and a way out.

use bartizan_waf::Api;

fn errors(text: &str) -> String {
    match Api::compile(text, "api.yaml", None) {
        Ok(_) => "good".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

/// The document with one operation that has `inner` (YAML in one line) among its keys.
fn operation(version: &str, path: &str, inner: &str) -> String {
    format!(
        "openapi: {version}\npaths:\n  {path}:\n    post: {{ {inner} responses: {{ '200': {{ description: d }} }} }}\n"
    )
}

fn schema(version: &str, schema: &str) -> String {
    let body = format!("requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }},");
    errors(&operation(version, "/x", &body))
}

#[test]
fn refuses_what_is_no_document_of_openapi_3() {
    for (text, expected) in [
        ("", "`openapi` is neither 3.0.x nor 3.1.x"),
        ("a: [", "not readable as YAML"),
        ("{\"a\": 1,}", "api.yaml:1:9: not readable as JSON"),
        ("{\"openapi\": \"3.1.0\",\n \"a\": 1, \"a\": 2}", "api.yaml:2:15: not readable as JSON: two members"),
        ("swagger: '2.0'", "is a document of Swagger 2.0; convert it"),
        ("openapi: 3.2.0\npaths: {}", "api.yaml:1:10: openapi: `openapi` is neither 3.0.x nor 3.1.x"),
        ("openapi: 3.1.0\npaths: {}", "there is no path"),
        ("openapi: 3.1.0\npaths:\n  x:\n    get: {}", "api.yaml:3:3: /paths/x: a path begins with `/`"),
    ] {
        assert!(errors(text).contains(expected), "{text}: {}", errors(text));
    }
}

#[test]
fn refuses_documents_that_contradict_themselves() {
    for (inner, path, expected) in [
        ("", "/a/{id}", "`{id}` of the path is declared nowhere"),
        ("parameters: [{ name: id, in: path, required: true, schema: {} }],", "/a", "the path has no `{id}`"),
        ("parameters: [{ name: id, in: path, schema: {} }],", "/a/{id}", "write `required: true`"),
        (
            "parameters: [{ name: q, in: query, schema: {} }, { name: q, in: query, schema: {} }],",
            "/a",
            "is there already",
        ),
        ("parameters: [{ name: q, in: query }],", "/a", "either `schema` or `content`"),
        ("parameters: [{ name: q, in: body, schema: {} }],", "/a", "`in` has to be"),
        (
            "parameters: [{ name: q, in: query, style: pipeDelimited, schema: { type: array, items: {} } }],",
            "/a",
            "`pipeDelimited` is not supported",
        ),
        (
            "parameters: [{ name: q, in: query, style: deepObject, schema: { type: string } }],",
            "/a",
            "`deepObject` is not supported",
        ),
        (
            "parameters: [{ name: id, in: path, required: true, style: matrix, schema: {} }],",
            "/a/{id}",
            "`matrix` is not supported here; write `style: simple`",
        ),
        ("parameters: [{ name: c, in: cookie, schema: { type: array, items: {} } }],", "/a", "write `explode: false`"),
        (
            "parameters: [{ $ref: '#/components/parameters/none' }],",
            "/a",
            "there is nothing at `#/components/parameters/none`",
        ),
        ("parameters: [{ $ref: 'other.yaml#/x' }],", "/a", "`other.yaml#/x` is outside this document"),
        ("servers: [{ url: /x }],", "/a", "servers of one operation are not supported"),
        ("requestBody: { description: d },", "/a", "`content` is missing"),
        ("requestBody: { content: { json: {} } },", "/a", "is no media type"),
    ] {
        let found = errors(&operation("3.1.0", path, inner));
        assert!(found.contains(expected) && found.starts_with("api.yaml:"), "{inner}: {found}");
    }
    let twice = "openapi: 3.1.0\npaths:\n  /a/{x}: {}\n  /a/{y}: {}\n";
    assert!(
        errors(twice).contains("api.yaml:4:3: /paths/~1a~1{y}: the same path is there already"),
        "{}",
        errors(twice)
    );
}

#[test]
fn refuses_schemas_that_nobody_could_check() {
    for (text, expected) in [
        ("{ $ref: 'http://elsewhere/x' }", "is outside this document"),
        ("{ $ref: '#/components/schemas/None' }", "there is nothing at"),
        ("{ $id: 'http://a/b' }", "is not supported: a schema by another name"),
        ("{ type: text }", "is no type"),
        ("{ pattern: '(?=a)' }", "looks ahead"),
        ("{ pattern: '(' }", "not a pattern that can be checked"),
        ("{ minimum: 5, maximum: 4 }", "no number is that large and that small"),
        ("{ minLength: 5, maxLength: 4 }", "`minLength` is larger than `maxLength`"),
        ("{ minLength: -1 }", "expected a whole number from 0"),
        ("{ minimum: '5' }", "expected a number, found a text"),
        ("{ exclusiveMinimum: true }", "expected a number, found true or false"),
        ("{ multipleOf: 0 }", "has to be above 0"),
        ("{ type: integer, enum: [1, a] }", "this value can never stand here"),
        ("{ enum: [] }", "at least one value"),
        ("{ oneOf: [] }", "at least one schema"),
        ("{ required: a }", "expected a list of texts"),
        ("{ required: [b], properties: { a: {} }, additionalProperties: false }", "`b` is required, and"),
        ("{ properties: { a: { readOnly: true, writeOnly: true } } }", "is for neither direction"),
        ("{ properties: { a: 5 } }", "expected a schema, found a number"),
        ("{ discriminator: {} }", "`propertyName` is missing"),
        ("{ oneOf: [{ type: string }], discriminator: { propertyName: t } }", "an alternative without a name"),
    ] {
        let found = schema("3.1.0", text);
        assert!(found.contains(expected) && found.starts_with("api.yaml:4:"), "{text}: {found}");
    }
}

#[test]
fn the_dialect_of_3_0_is_another_one() {
    for (text, expected) in [
        ("{ const: 1 }", "is not known in OpenAPI 3.0; write `openapi: 3.1.0`"),
        ("{ type: [string, 'null'] }", "is no type"),
        ("{ type: 'null' }", "`nullable: true` for null"),
        ("{ exclusiveMinimum: 5 }", "expected true or false"),
        ("{ type: array }", "an array without `items`"),
        ("{ properties: { a: true } }", "expected a schema"),
    ] {
        let found = schema("3.0.3", text);
        assert!(found.contains(expected), "{text}: {found}");
    }
    assert_eq!(schema("3.0.3", "{ minimum: 1, exclusiveMinimum: true, nullable: true, type: integer }"), "good");
}

#[test]
fn refuses_schemas_that_ask_for_themselves_without_end() {
    let document = |schemas: &str| {
        format!(
            "openapi: 3.1.0\npaths:\n  /x:\n    get: {{ responses: {{ '200': {{ description: d }} }} }}\ncomponents:\n  schemas: {schemas}\n"
        )
    };
    for circle in [
        "{ A: { $ref: '#/components/schemas/A' } }",
        "{ A: { $ref: '#/components/schemas/B' }, B: { $ref: '#/components/schemas/A' } }",
        "{ A: { allOf: [{ $ref: '#/components/schemas/A' }] } }",
        "{ A: { anyOf: [{ type: string }, { not: { $ref: '#/components/schemas/A' } }] } }",
    ] {
        assert!(errors(&document(circle)).contains("asks for itself on the same value"), "{circle}");
    }
    assert_eq!(errors(&document("{ A: { properties: { a: { $ref: '#/components/schemas/A' } } } }")), "good");
}

#[test]
fn says_what_has_no_effect() {
    let text = operation(
        "3.0.3",
        "/x",
        "requestBody: { content: { application/json: { schema: { typ: string } }, text/csv: { schema: { type: object } } } },",
    );
    let api = Api::compile(&text, "api.yaml", None).unwrap();
    let warnings: Vec<String> = api.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().any(|it| it.contains("/typ: is no keyword")), "{warnings:?}");
    assert!(warnings.iter().any(|it| it.contains("is not looked into")), "{warnings:?}");
}

#[test]
fn many_mistakes_are_told_at_once_and_counted_beyond() {
    let paths: String = (0..150).map(|i| format!("  x{i}: {{}}\n")).collect();
    let found = Api::compile(&format!("openapi: 3.1.0\npaths:\n{paths}"), "api.yaml", None).unwrap_err();
    assert_eq!((found.errors.len(), found.left_out), (100, 50));
}
