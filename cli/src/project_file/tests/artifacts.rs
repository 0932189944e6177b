//! Templates, and the local files that they name.

use super::{
    stack::{deploying, stack_of},
    *,
};

const STAGING: &str = "staging: { bucket: b }";

const FUNCTION: &str = "Resources:\n  Fn:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: PATH\n";
const NESTED: &str =
    "Resources:\n  Child:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: PATH\n";

/// A project whose `templates/network.yaml` is this, with these other files.
fn project(template: &str, others: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = folder();
    for (path, content) in others.iter().chain(&[("templates/network.yaml", template)]) {
        let place = folder.path().join(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        fs::write(place, content).expect("written");
    }
    folder
}

fn artifacts(folder: &tempfile::TempDir) -> Vec<String> {
    let draft = parse(&deploying(STAGING), folder.path()).expect("no faults");
    let artifacts = stack_of(&draft).artifacts.clone();
    let attached: Vec<_> = draft.attachments.iter().map(|it| it.file.path.as_str()).collect();
    assert!(artifacts.iter().all(|path| attached.contains(&path.as_str())), "{artifacts:?} in {attached:?}");
    artifacts
}

fn fault(keys: &str, folder: &tempfile::TempDir) -> String {
    let faults = parse(&deploying(keys), folder.path()).expect_err("there should be a fault");
    faults.iter().map(|fault| fault.in_file(Path::new("longshore.yaml"))).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_and_a_folder_are_found_beside_their_template() {
    let file = project(&FUNCTION.replace("PATH", "code.py"), &[("templates/code.py", "x")]);
    assert_eq!(artifacts(&file), ["templates/code.py"]);
    let above = project(
        &FUNCTION.replace("PATH", "../src"),
        &[("src/b.py", "x"), ("src/a/.hidden", "x"), ("src/a/b.py", "x"), ("other.py", "x")],
    );
    assert_eq!(artifacts(&above), ["src/a/.hidden", "src/a/b.py", "src/b.py"]);
    let own = project(&FUNCTION.replace("PATH", "."), &[]);
    assert_eq!(artifacts(&own), ["templates/network.yaml"]);
}

#[test]
fn what_nested_templates_name_is_found_beside_them() {
    let folder = project(
        &NESTED.replace("PATH", "../nested/child.yaml"),
        &[
            ("nested/child.yaml", &NESTED.replace("PATH", "deeper/grandchild.json")),
            (
                "nested/deeper/grandchild.json",
                r#"{"Resources": {"Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "code"}}}}"#,
            ),
            ("nested/deeper/code/main.py", "x"),
        ],
    );
    let found = artifacts(&folder);
    assert_eq!(found, ["nested/child.yaml", "nested/deeper/code/main.py", "nested/deeper/grandchild.json"]);
}

#[test]
fn paths_of_an_inline_template_are_beside_the_project_file() {
    let folder = project("", &[("src/main.py", "x")]);
    let template = FUNCTION.replace("PATH", "src").replace('\n', "\n          ");
    let text = with_step(&format!(
        "    aws: {{ identity: worker-role }}\n    cloudformation:\n      deploy:\n        stack: s\n        staging: {{ bucket: b }}\n        template: |\n          {template}\n"
    ));
    let draft = parse(&text, folder.path()).expect("no faults");
    assert_eq!(stack_of(&draft).artifacts, ["src/main.py"]);
    let faults = parse(&text.replace("Code: src", "Code: lib"), folder.path()).expect_err("no such folder");
    assert_eq!(faults[0].place, Some(Place { line: 10, column: 11 }));
    assert!(faults[0].sentence.contains("in its line 5: `Code` of Fn names \"lib\""), "{faults:?}");
}

#[test]
fn local_files_need_a_bucket() {
    let folder = project(&FUNCTION.replace("PATH", "code.py"), &[("templates/code.py", "x")]);
    let fault = fault("", &folder);
    assert!(
        fault.starts_with("longshore.yaml:8:19: The template templates/network.yaml:5: `Code` of Fn names"),
        "{fault}"
    );
    assert!(fault.contains("name a bucket under `staging`"), "{fault}");
}

#[test]
fn local_files_that_cannot_be_taken_are_named_with_their_line() {
    let out = tempfile::tempdir().expect("a folder");
    fs::write(out.path().join("x"), "x").expect("written");
    for (path, word) in [
        ("../../x", "leads out of the project's folder"),
        ("/etc/hostname", "leads out of the project's folder"),
        ("none.py", "There is no file \"templates/none.py\""),
        ("empty", "a folder without files"),
        ("links", "in which templates/links/out is a link that leads out"),
        ("link", "leads out"),
        ("\"#{Dir}/x\"", "before its variables"),
    ] {
        let folder = project(&FUNCTION.replace("PATH", path), &[]);
        let templates = folder.path().join("templates");
        fs::create_dir(templates.join("empty")).expect("made");
        fs::create_dir(templates.join("links")).expect("made");
        symlink(out.path(), templates.join("links/out")).expect("linked");
        symlink(out.path().join("x"), templates.join("link")).expect("linked");
        let fault = fault(STAGING, &folder);
        assert!(
            fault.starts_with("longshore.yaml:8:19: The template templates/network.yaml:5: `Code` of Fn names"),
            "{fault}"
        );
        assert!(fault.contains(word), "{word} in {fault}");
    }
    let folder = project(&NESTED.replace("PATH", "."), &[]);
    assert!(fault(STAGING, &folder).contains("a folder, and a template is a file"));
}

#[test]
fn templates_that_are_nested_in_themselves_are_refused_with_the_circle() {
    let folder = project(
        &NESTED.replace("PATH", "a.yaml"),
        &[
            ("templates/a.yaml", &NESTED.replace("PATH", "b.yaml")),
            ("templates/b.yaml", &NESTED.replace("PATH", "a.yaml")),
        ],
    );
    let circle = "templates/network.yaml → templates/a.yaml → templates/b.yaml → templates/a.yaml";
    assert!(fault(STAGING, &folder).contains(circle));
}

#[test]
fn templates_are_nested_ten_deep_and_no_deeper() {
    let chain = |depth: usize| {
        let files: Vec<_> = (1..depth)
            .map(|at| {
                let next = if at + 1 < depth { format!("t{}.yaml", at + 1) } else { "https://b/k".to_owned() };
                (format!("templates/t{at}.yaml"), NESTED.replace("PATH", &next))
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        project(&NESTED.replace("PATH", "t1.yaml"), &files)
    };
    assert_eq!(artifacts(&chain(10)).len(), 9);
    assert!(fault(STAGING, &chain(11)).contains("nested more than 10 deep"));
}

#[test]
fn a_template_that_is_none_is_told_with_its_own_place() {
    let broken = "Resources:\n  A: &x\n    Type: AWS::SNS::Topic\n  B: *x\n";
    let of_project = fault("", &project(broken, &[]));
    assert!(of_project.starts_with("longshore.yaml:8:19: The template templates/network.yaml:4:6: "), "{of_project}");
    let nested = project(&NESTED.replace("PATH", "child.yaml"), &[("templates/child.yaml", "Resources: []\n")]);
    let fault = fault(STAGING, &nested);
    assert!(
        fault.contains("names \"child.yaml\", which is no template. The template templates/child.yaml:1:12: "),
        "{fault}"
    );
}

#[test]
fn a_template_that_only_substitution_makes_one_is_a_warning() {
    let folder = project("Resources:\n#{Resources}\n  x: [\n", &[]);
    assert!(fault("", &folder).contains("templates/network.yaml:"));
    let draft = parse(&deploying("substitute: true"), folder.path()).expect("no faults");
    let [warning] = draft.warnings.as_slice() else { panic!("{:?}", draft.warnings) };
    assert!(warning.contains(":8:19: ") && warning.contains("before its #{…} are substituted"), "{warning}");
}

#[test]
fn a_template_that_is_too_large_for_a_request_needs_a_bucket() {
    let large = format!("Description: {}\nResources: {{}}\n", "x".repeat(52_000));
    let folder = project(&large, &[]);
    let fault = fault("", &folder);
    for word in ["longshore.yaml:8:19: ", "templates/network.yaml has 52028 bytes", "51200", "`staging`"] {
        assert!(fault.contains(word), "{word} in {fault}");
    }
    assert_eq!(artifacts(&folder), [""; 0]);
}
