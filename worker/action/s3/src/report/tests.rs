use shared::plan::upload::ObjectSettings;

use super::*;

fn objects(count: usize) -> Vec<Planned> {
    let object = |n| Planned {
        path: format!("dist/{n}"),
        key: format!("web/{n}"),
        length: 1000,
        settings: ObjectSettings::default(),
    };
    (0..count).map(object).collect()
}

fn failed(reason: Reason) -> Result<Done, Failure> {
    Err(Failure::new(reason, "Because."))
}

fn uploaded(version: &str) -> Result<Done, Failure> {
    Ok(Done::Uploaded(Some(version.into()), "it was not there"))
}

#[test]
fn an_upload_that_went_well_is_summed_up() {
    let objects = objects(3);
    let mut report = Report::new(&objects);
    report.add(2, uploaded("v2"));
    report.add(0, Ok(Done::Unchanged(None)));
    assert_eq!(report.load(1500), Load { files: 2, bytes: 2500 });
    report.add(1, uploaded("v1"));
    report.set_deleted(4);
    assert_eq!(report.failure(false, "p"), None);
    assert_eq!(report.failure(true, "p"), None, "what is complete was not cancelled");
    let summary = report.summary("s3://shop/web/", Duration::from_millis(2060));
    assert_eq!(
        summary,
        "s3://shop/web/: 2 uploaded (2.0 kB), 1 unchanged (1.0 kB), 4 deleted, in 2.0 s (970 bytes/s)."
    );
    let versions: Vec<_> = report.items().into_iter().map(|item| (item.key, item.version)).collect();
    assert_eq!(versions, [("web/0", None), ("web/1", Some("v1")), ("web/2", Some("v2"))]);
}

#[test]
fn every_file_that_failed_is_named_and_the_first_reason_told() {
    let objects = objects(4);
    let mut report = Report::new(&objects);
    report.add(3, failed(Reason::AwsThrottled));
    report.add(1, failed(Reason::UploadFailed));
    report.add(0, uploaded("v"));
    report.first_failure().expect("a failure").sentence.push_str(" Looked into.");
    let failure = report.failure(false, "s3://shop/web/").expect("a failure");
    assert_eq!(failure.reason, Reason::UploadFailed);
    assert_eq!(
        failure.sentence,
        "2 of 4 files could not be uploaded to s3://shop/web/: dist/1, dist/3. 1 of all are there, and 1 were not begun; nothing was \
         deleted. Run the step again when that is mended: it leaves out what is there. The first: Because. Looked into."
    );
}

#[test]
fn what_is_the_matter_with_every_file_is_the_matter_with_the_step() {
    let objects = objects(25);
    let mut report = Report::new(&objects);
    (0..25).for_each(|index| report.add(index, failed(Reason::PermissionMissing)));
    let failure = report.failure(false, "p").expect("a failure");
    assert_eq!(failure.reason, Reason::PermissionMissing);
    assert!(failure.sentence.contains("dist/19 and 5 more. None is there; nothing"), "{}", failure.sentence);
}

#[test]
fn one_file_of_several_that_is_refused_does_not_speak_for_all() {
    let objects = objects(2);
    for (reason, expected) in
        [(Reason::PermissionMissing, Reason::UploadFailed), (Reason::AwsUnavailable, Reason::AwsUnavailable)]
    {
        let mut report = Report::new(&objects);
        report.add(0, uploaded("v"));
        report.add(1, failed(reason));
        assert_eq!(report.failure(false, "p").map(|failure| failure.reason), Some(expected));
    }
}

#[test]
fn a_single_file_fails_in_its_own_words() {
    let objects = objects(1);
    let mut report = Report::new(&objects);
    report.add(0, failed(Reason::BucketRefused));
    let failure = report.failure(false, "p").expect("a failure");
    assert_eq!(failure.sentence, "dist/0 could not be uploaded. Because.");
}

#[test]
fn a_cancelled_step_says_what_is_there_and_what_is_missing() {
    let objects = objects(3);
    let mut report = Report::new(&objects);
    report.add(0, uploaded("v"));
    report.add(1, Ok(Done::NotBegun));
    report.add(2, failed(Reason::UploadFailed));
    let failure = report.failure(true, "s3://shop/web/").expect("a failure");
    assert_eq!(failure.reason, Reason::UploadFailed);
    assert_eq!(
        failure.sentence,
        "The step was cancelled: 1 of 3 files were uploaded to s3://shop/web/, 0 were there unchanged, 2 are missing; nothing was \
         deleted. Because."
    );
}
