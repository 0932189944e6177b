//! What PowerShell runs before a script is PowerShell: read with a grammar of that language, since a shell of it cannot be had
//! everywhere.

use std::process::Command;

use tests::parts::{environment, project};

/// Parses each file that is named, and says what is not PowerShell in it.
const READER: &str = r"
import sys
import tree_sitter, tree_sitter_pwsh
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
def wrong(node):
    if node.type == 'ERROR' or node.is_missing:
        yield f'line {node.start_point[0] + 1}: {node.text.decode()[:60]}'
    for child in node.children:
        yield from wrong(child)
for path in sys.argv[1:]:
    found = list(wrong(parser.parse(open(path, 'rb').read()).root_node))
    print(path.rsplit('/', 1)[-1], found or 'is PowerShell')
";

#[test]
fn the_bootstrap_is_powershell_and_what_is_not_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.ps1");
    std::fs::write(&broken, "function Broken( { if ($x -eq ) }\n").expect("written");
    let bootstrap = project().join("worker/src/script/bootstrap.ps1");
    let output = Command::new(environment("powershell").expect("the grammar"))
        .args(["-c", READER])
        .args([&bootstrap, &broken])
        .output()
        .expect("it ran");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("bootstrap.ps1 is PowerShell\n"), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("broken.ps1 [") && said.contains("line 1: "), "{said}");
}
