//! Canaries: secrets that must be found nowhere, whatever a script does with them.

use std::{fs, time::Duration};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use tests::{WorkerHost, World, canary, until};

const CANARY: &str = "canary-d41d8cd98f00b204e9800998ecf8427e";

#[test]
fn a_secret_is_in_no_log_no_file_and_on_no_command_line() -> Result<()> {
    let world = World::start()?;
    let host = world.ec2_host("one", "default")?;
    let key = world.deployer("shop")?;
    world.account("shop", &key)?;
    let marker = world.folder().join("go-on");
    let script = format!(
        r#"      body: |
        echo "plain $(get_octopusvariable Canary)"
        echo "to stderr $(get_octopusvariable "AWS Account.SecretKey")" >&2
        echo "base64 $(get_octopusvariable Canary | base64 -w0)"
        echo "shifted $(printf 'x%s' "$(get_octopusvariable Canary)" | base64 -w0)"
        echo "hex $(get_octopusvariable Canary | od -An -tx1 | tr -d ' \n')"
        printf 'quoted %q\n' "$(get_octopusvariable Canary)"
        for letter in c; do printf '%s' "$(get_octopusvariable Canary)" | head -c 10; sleep 0.05; get_octopusvariable Canary | tail -c +11; done
        set_octopusvariable Kept "$(get_octopusvariable Canary)" -sensitive
        set_octopusvariable Telling "the value is $(get_octopusvariable Canary)"
        until [ -e '{}' ]; do sleep 0.05; done
"#,
        marker.display()
    );
    let yaml = format!(
        "project: leaky\nvariables:\n  - {{ name: Canary, type: sensitive }}\n  - {{ name: AWS Account, type: aws-account, value: shop }}\n  \
         - {{ name: OctopusPrintVariables, value: \"True\" }}\n  - {{ name: OctopusPrintEvaluatedVariables, value: \"True\" }}\n\
         steps:\n  - name: Leak\n    aws: {{ identity: account, account: AWS Account, region: eu-west-1 }}\n    script:\n      shell: bash\n{script}  \
         - name: Next\n    script:\n      shell: bash\n      body: |\n        [ \"#{{Octopus.Action[Leak].Output.Kept}}\" = '#{{Canary}}' ] && echo 'the output is whole'\n"
    );
    world.apply("leaky", &yaml)?;
    world.cli().ok_with_input(&["variable", "set", "leaky", "Canary", "--sensitive"], CANARY)?;
    let id = world.start_deployment("leaky")?;
    until("the step to run", Duration::from_secs(60), || {
        let deployment = world.deployment(&id)?;
        Ok((deployment["steps"][0]["attempts"][0]["state"] == "running" && !host.host.steps().is_empty()).then_some(()))
    })?;
    let secrets = [CANARY, key.secret.as_str()];
    let lines = canary::command_lines_that_hold(&secrets);
    assert!(lines.is_empty(), "on {} command lines", lines.len());
    assert_nowhere(&world, &host.host, &secrets);
    fs::write(&marker, "")?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}\n{}", world.log(&id, "Leak")?);
    assert_nowhere(&world, &host.host, &secrets);

    let log = world.log(&id, "Leak")?;
    for line in [
        "plain ********",
        "to stderr ********",
        "base64 ********",
        "quoted ********",
        "[AWS Account.SecretKey] = '********'",
        "[Canary] = '********'",
    ] {
        assert!(log.contains(line), "the log has no {line:?}: {log}");
    }
    assert!(world.log(&id, "Next")?.contains("the output is whole"), "what is masked in logs is whole in scripts");
    let asked: [&[&str]; 6] = [
        &["deployment", "show", &id],
        &["deployment", "logs", &id],
        &["variable", "list", "leaky"],
        &["project", "show", "leaky"],
        &["account", "list"],
        &["audit", "list"],
    ];
    for arguments in asked {
        let answer = world.cli().ok(&[arguments, &["--output", "json"]].concat())?;
        for secret in secrets {
            assert!(
                !answer.contains(secret) && !answer.contains(&STANDARD.encode(secret)),
                "`{}` tells it",
                arguments.join(" ")
            );
        }
    }
    Ok(())
}

#[test]
fn variables_are_printed_in_the_form_that_people_know() -> Result<()> {
    let world = World::start()?;
    let _host = world.ec2_host("one", "default")?;
    let key = world.deployer("shop")?;
    let create = ["account", "create", "AWS Account", "aws", "--access-key-id", &key.id, "--secret-key-stdin"];
    world.cli().ok_with_input(&create, &key.secret)?;
    let yaml = "project: printing\nvariables:\n  - { name: AWS Account, type: aws-account, value: AWS Account }\n  \
                - { name: Raw, value: \"is #{Region}\" }\n  - { name: Region, value: eu-west-1 }\n  \
                - { name: OctopusPrintVariables, value: \"True\" }\n  - { name: OctopusPrintEvaluatedVariables, value: \"True\" }\n\
                steps:\n  - name: Step\n    script: { shell: bash, body: \"true\" }\n";
    world.apply("printing", yaml)?;
    let id = world.start_deployment("printing")?;
    let deployment = world.ended(&id)?;
    assert_eq!(deployment["state"], "succeeded", "{deployment:#}");
    let log = world.log(&id, "Step")?;
    let access_key = format!("[AWS Account.AccessKey] = '{}'", key.id);
    for line in [
        "The following variables are available:",
        "[AWS Account] = 'amazonwebservicesaccount-aws-account'",
        access_key.as_str(),
        "[AWS Account.SecretKey] = '********'",
        "[Raw] = 'is #{Region}'",
        "The following evaluated variables are available:",
        "[Raw] = 'is eu-west-1'",
    ] {
        assert!(log.contains(line), "the log has no {line:?}: {log}");
    }
    Ok(())
}

fn assert_nowhere(world: &World, host: &WorkerHost, secrets: &[&str]) {
    let logs = world.folder().join("logs");
    let files = canary::files_that_hold(secrets, &[world.coordinator().data_dir(), host.data_dir(), &logs]);
    assert!(files.is_empty(), "in {files:?}");
}
