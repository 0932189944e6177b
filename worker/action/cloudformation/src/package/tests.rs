use std::{collections::BTreeSet, fs, sync::Mutex};

use tempfile::TempDir;
use zip::ZipArchive;

use super::*;

/// A bucket in memory: keys and bytes in order, and what it had before.
#[derive(Default)]
struct Shelf {
    stored: Mutex<Vec<(String, Vec<u8>, String)>>,
    before: BTreeSet<String>,
}

impl Objects for Shelf {
    async fn has(&self, key: &str) -> Result<bool, Failure> {
        let stored = self.stored.lock().expect("nobody panicked");
        Ok(self.before.contains(key) || stored.iter().any(|(known, ..)| known == key))
    }

    async fn put(&self, key: &str, source: Source, settings: &ObjectSettings) -> Result<Option<String>, Failure> {
        let bytes = match source {
            Source::Bytes(bytes) => bytes.to_vec(),
            Source::File(path) => fs::read(path).expect("a file"),
        };
        let mut stored = self.stored.lock().expect("nobody panicked");
        stored.push((key.to_owned(), bytes, format!("{} {}", settings.encryption, settings.kms_key)));
        Ok(Some(format!("v{}", stored.len())))
    }

    fn url(&self, key: &str) -> String {
        format!("https://stage.s3.eu-west-1.amazonaws.com/{key}")
    }
}

impl Shelf {
    fn keys(&self) -> Vec<String> {
        self.stored.lock().expect("nobody panicked").iter().map(|(key, ..)| key.clone()).collect()
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        let stored = self.stored.lock().expect("nobody panicked");
        stored.iter().find(|(known, ..)| known == key).map(|(_, bytes, _)| bytes.clone()).expect("it is stored")
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8(self.bytes(key)).expect("a text")
    }
}

fn names(archive: Vec<u8>) -> Vec<String> {
    let archive = ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    archive.file_names().map(|name| name.expect("a name").into_owned()).collect()
}

fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn staging() -> Staging {
    Staging { bucket: "stage".into(), prefix: "pre/".into(), ..Staging::default() }
}

async fn packed_to(shelf: &Shelf, folder: &Path, base: &str, template: &str) -> Result<Packaged, Failure> {
    let (staging, cancelled) = (staging(), CancellationToken::new());
    let mut speech = Speech::to(std::io::sink(), std::io::sink());
    let mut packer = Packer::new(folder, &cancelled, &staging, shelf, &mut speech);
    let template = packer.fill(read("The template", template)?, base.into()).await?;
    Ok(Packaged { template, uploaded: packer.uploaded })
}

async fn refusal(folder: &TempDir, template: &str) -> String {
    let shelf = Shelf::default();
    let failure = packed_to(&shelf, folder.path(), "", template).await.expect_err("it is refused");
    assert_eq!(shelf.keys(), [""; 0], "nothing is uploaded");
    format!("{} {}", failure.reason.code(), failure.sentence)
}

const FUNCTION: &str =
    "Resources:\n  F: # kept\n    Type: AWS::Lambda::Function\n    Properties: {Code: ./src, Runtime: x}\n";

#[tokio::test]
async fn a_folder_becomes_an_archive_named_for_its_files() {
    let folder = project(&[("stacks/src/main.py", "x"), ("stacks/src/lib/a.py", "y")]);
    let shelf = Shelf::default();
    let packaged = packed_to(&shelf, folder.path(), "stacks", FUNCTION).await.expect("packaged");
    let [key] = &shelf.keys()[..] else { panic!("{:?}", shelf.keys()) };
    assert!(key.starts_with("pre/") && key.ends_with(".zip") && key.len() == 4 + 64 + 4, "{key}");
    assert_eq!(packaged.uploaded, [(key.clone(), Some("v1".into()))]);
    let object = format!(r#"{{"S3Bucket": "stage", "S3Key": "{key}"}}"#);
    assert_eq!(packaged.template, FUNCTION.replace("./src", &object));
    assert_eq!(names(shelf.bytes(key)), ["lib/a.py", "main.py"]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no archive is left behind");
}

#[tokio::test]
async fn what_is_there_already_is_not_uploaded_and_the_template_is_the_same() {
    let folder = project(&[("src/main.py", "x")]);
    let first = Shelf::default();
    let before = packed_to(&first, folder.path(), "", FUNCTION).await.expect("packaged");
    let second = Shelf { before: first.keys().into_iter().collect(), ..Shelf::default() };
    let after = packed_to(&second, folder.path(), "", FUNCTION).await.expect("packaged");
    assert_eq!(after, Packaged { template: before.template, uploaded: Vec::new() });
    assert_eq!(second.keys(), [""; 0]);
}

#[tokio::test]
async fn code_of_one_file_becomes_an_archive_unless_it_is_one() {
    let template = "
Resources:
  One: {Type: AWS::Lambda::Function, Properties: {Code: main.py}}
  Two: {Type: AWS::Lambda::LayerVersion, Properties: {Content: layer.zip}}
  Three: {Type: AWS::Glue::Job, Properties: {Command: {ScriptLocation: main.py}}}
  Four: {Type: AWS::Serverless::Function, Properties: {CodeUri: main.py}}
";
    let folder = project(&[("main.py", "x"), ("layer.zip", "PK\x03\x04...")]);
    let shelf = Shelf::default();
    packed_to(&shelf, folder.path(), "", template).await.expect("packaged");
    let keys = shelf.keys();
    assert_eq!(keys.len(), 3, "the second function's code is the first one's: {keys:?}");
    assert_eq!(names(shelf.bytes(&keys[0])), ["main.py"]);
    assert_eq!((&*shelf.text(&keys[1]), &keys[1][68..]), ("PK\x03\x04...", ".zip"));
    assert_eq!((&*shelf.text(&keys[2]), &keys[2][68..]), ("x", ".py"));
}

#[tokio::test]
async fn nested_templates_are_uploaded_after_their_own_files() {
    let nested = |path: &str| {
        format!("Resources:\n  N: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: {path}}}}}\n")
    };
    let folder = project(&[
        ("a/middle.yaml", &nested("../b/inner.yaml")),
        ("b/inner.yaml", "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Code: src}}\n"),
        ("b/src/main.py", "x"),
    ]);
    let shelf = Shelf::default();
    let packaged = packed_to(&shelf, folder.path(), "", &nested("a/middle.yaml")).await.expect("packaged");
    let keys = shelf.keys();
    assert_eq!(keys.iter().map(|key| &key[68..]).collect::<Vec<_>>(), [".zip", ".template", ".template"]);
    assert!(shelf.text(&keys[1]).contains(&format!(r#"Code: {{"S3Bucket": "stage", "S3Key": "{}"}}"#, keys[0])));
    assert_eq!(shelf.text(&keys[2]), nested(&format!("\"{}\"", shelf.url(&keys[1]))));
    assert_eq!(packaged.template, nested(&format!("\"{}\"", shelf.url(&keys[2]))));
    assert_eq!(packaged.uploaded.len(), 3);
}

#[tokio::test]
async fn a_key_of_kms_is_used_for_everything() {
    let folder = project(&[("src/main.py", "x")]);
    let (shelf, cancelled) = (Shelf::default(), CancellationToken::new());
    let staging = Staging { kms_key: "alias/stage".into(), ..staging() };
    let mut speech = Speech::to(std::io::sink(), std::io::sink());
    let mut packer = Packer::new(folder.path(), &cancelled, &staging, &shelf, &mut speech);
    packer.fill(read("The template", FUNCTION).expect("read"), PathBuf::new()).await.expect("packaged");
    assert_eq!(shelf.stored.lock().expect("nobody panicked")[0].2, "aws:kms alias/stage");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_templates_files_is_told_before_anything_is_uploaded() {
    let folder = project(&[("src/main.py", "x"), ("nested/net.yaml", "Resources: {}")]);
    let template = "
Resources:
  F: {Type: AWS::Lambda::Function, Properties: {Code: ./src}}
  G: {Type: AWS::Lambda::Function, Properties: {Code: ./nowhere}}
  H: {Type: AWS::Lambda::Function, Properties: {Code: ../../etc}}
  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: nested}}
";
    assert_eq!(
        refusal(&folder, template).await,
        "PACKAGE_INVALID \
         Code of \"G\" (line 4) is the local path \"./nowhere\", which is not there: it is looked for below the template's folder.\n\
         Code of \"H\" (line 5) is the local path \"../../etc\", which leads out of the project's folder: move the files into it.\n\
         TemplateURL of \"N\" (line 6) is the local path \"nested\", which is a folder, and must be a file."
    );
}

#[tokio::test]
async fn templates_that_name_one_another_in_a_circle_are_refused() {
    let nested = |path: &str| {
        format!("Resources: {{N: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: {path}}}}}}}")
    };
    let folder = project(&[("a.yaml", &nested("b.yaml")), ("b.yaml", &nested("./a.yaml"))]);
    assert_eq!(
        refusal(&folder, &nested("a.yaml")).await,
        "PACKAGE_INVALID TemplateURL of \"N\" (line 1 of \"b.yaml\") is the local path \"./a.yaml\", and so templates name one another in a circle: \
         a.yaml → b.yaml → a.yaml."
    );
}

#[tokio::test]
async fn templates_are_nested_ten_deep_and_no_deeper() {
    let nested = |path: &str| {
        format!("Resources: {{N: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: {path}}}}}}}")
    };
    let chain = |depth: usize| {
        let name = |index: usize| format!("{index}.yaml");
        let mut files: Vec<_> = (1..depth).map(|index| (name(index), nested(&name(index + 1)))).collect();
        files.push((name(depth), "Resources: {}".into()));
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        project(&files)
    };
    let shelf = Shelf::default();
    packed_to(&shelf, chain(10).path(), "", &nested("1.yaml")).await.expect("packaged");
    assert_eq!(shelf.keys().len(), 10);
    assert!(refusal(&chain(11), &nested("1.yaml")).await.ends_with("and so templates are nested more than 10 deep."));
}

#[tokio::test]
async fn templates_that_cannot_be_read_are_named() {
    let folder = project(&[("net.yaml", "Resources: []")]);
    let nested = "Resources: {N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: net.yaml}}}";
    let fault = "Resources is a list, and must be a mapping of logical ids to resources.";
    assert_eq!(
        refusal(&folder, nested).await,
        format!(
            "TEMPLATE_INVALID The nested template \"net.yaml\" cannot be read. Line 1, column 12 of the template: {fault}"
        )
    );
    assert_eq!(
        refusal(&folder, "Resources: []").await,
        format!("TEMPLATE_INVALID The template cannot be read. Line 1, column 12 of the template: {fault}")
    );
}

#[tokio::test]
async fn one_file_may_be_a_template_in_one_place_and_a_snippet_in_another() {
    let template = "
Resources:
  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: net.yaml}}
  S: {Type: Custom::S, Properties: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: net.yaml}}}}
";
    let inner = "Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: main.py}}}";
    let folder = project(&[("net.yaml", inner), ("main.py", "x")]);
    let shelf = Shelf::default();
    let packaged = packed_to(&shelf, folder.path(), "", template).await.expect("packaged");
    let keys = shelf.keys();
    assert_eq!(keys.iter().map(|key| &key[68..]).collect::<Vec<_>>(), [".zip", ".template", ".yaml"]);
    assert_eq!(shelf.text(&keys[2]), inner);
    assert!(packaged.template.contains(&format!("{{Location: \"s3://stage/{}\"}}", keys[2])), "{}", packaged.template);
}

#[tokio::test]
async fn a_cancelled_step_uploads_nothing_more() {
    let folder = project(&[("src/main.py", "x")]);
    let (shelf, staging, cancelled) = (Shelf::default(), staging(), CancellationToken::new());
    cancelled.cancel();
    let mut speech = Speech::to(std::io::sink(), std::io::sink());
    let mut packer = Packer::new(folder.path(), &cancelled, &staging, &shelf, &mut speech);
    let failure =
        packer.fill(read("The template", FUNCTION).expect("read"), PathBuf::new()).await.expect_err("cancelled");
    assert_eq!((failure.reason, shelf.keys().len()), (Reason::StackCancelled, 0));
}
