//! A stack of three quick resources, against `aws cloudformation deploy`.

use anyhow::Result;

use super::{super::report::percentile, Client, Report, Size, Stage};

const FILE: &str = "template.yaml";
const TEMPLATE: &str = r"AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: { Type: String }
Resources:
  Orders: { Type: AWS::SQS::Queue }
  Feed: { Type: AWS::SNS::Topic }
  Setting:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Stage }
";

/// Seconds of every sample.
#[derive(Default)]
struct Samples {
    create: Vec<f64>,
    no_change: Vec<f64>,
}

impl Samples {
    fn add(&mut self, (create, no_change): (f64, f64)) {
        self.create.push(create);
        self.no_change.push(no_change);
    }
}

pub(super) fn measure(report: &mut Report, stage: &Stage, size: Size) -> Result<()> {
    stage.write(FILE, TEMPLATE.as_bytes())?;
    let mut ours = Samples::default();
    let mut theirs: Vec<Samples> = stage.clients.iter().map(|_| Samples::default()).collect();
    for number in 0..=size.stacks {
        let create = clients(stage, number)?;
        // Between a client's two runs: it names change sets by the second.
        let step = (step(stage, number)?, step(stage, number)?);
        let no_change = clients(stage, number)?;
        // The first of each is a rehearsal: emulator and clients load on their first call.
        if number > 0 {
            ours.add(step);
            theirs.iter_mut().zip(create.into_iter().zip(no_change)).for_each(|(samples, both)| samples.add(both));
        }
    }
    let (create, no_change) = medians(&mut ours);
    for (client, samples) in stage.clients.iter().zip(&mut theirs) {
        let limits = medians(samples);
        for (what, own, limit) in [("create", create, limits.0), ("no change", no_change, limits.1)] {
            report.add(
                format!("(e) stack of three resources, {what}"),
                format!("{own:.2} s"),
                format!("{limit:.2} s {}", client.name),
                own / limit,
                "<= 1",
            );
        }
    }
    Ok(())
}

fn medians(samples: &mut Samples) -> (f64, f64) {
    (percentile(&mut samples.create, 0.5), percentile(&mut samples.no_change, 0.5))
}

/// Seconds of the step.
fn step(stage: &Stage, number: usize) -> Result<f64> {
    let action = format!(
        "cloudformation: {{ deploy: {{ stack: step-{number}, template: {FILE}, parameters: {{ Stage: test }} }} }}"
    );
    Ok(stage.run(&action)?.process)
}

/// Seconds of each client, with a stack of its own.
fn clients(stage: &Stage, number: usize) -> Result<Vec<f64>> {
    let deploy = |(at, client): (usize, &Client)| {
        let stack = format!("client-{at}-{number}");
        let deploy = ["cloudformation", "deploy", "--stack-name", &stack, "--template-file", FILE];
        let rest = ["--parameter-overrides", "Stage=test", "--no-fail-on-empty-changeset"];
        let arguments: Vec<String> = deploy.into_iter().chain(rest).map(str::to_owned).collect();
        client.seconds_in(&stage.folder(), &arguments)
    };
    stage.clients.iter().enumerate().map(deploy).collect()
}
