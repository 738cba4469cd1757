use super::*;

fn to(url: &str) -> Record {
    Record { upload_to: url.into(), ..Record::default() }
}

#[test]
fn an_address_that_leads_nowhere_is_refused_at_the_start() {
    assert!(Upload::new(&to("")).expect("nothing is to be uploaded").is_none());
    assert!(matches!(Upload::new(&to("/recordings")), Err(UploadError::Url(_))));
    assert!(matches!(Upload::new(&to("ftp://store/recordings")), Err(UploadError::Store(_))));
    assert!(Upload::new(&to("file:///recordings")).expect("an address").is_some());
}

#[tokio::test]
async fn a_file_of_any_size_arrives_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let upload = Upload::new(&to(&format!("file://{}/bucket", directory.path().display())));
    let upload = upload.expect("an address").expect("it is to be uploaded");
    let from = directory.path().join("file");
    for size in [0, 5, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 5] {
        let bytes: Vec<u8> = (0..size).map(|at| (at >> 8) as u8).collect();
        std::fs::write(&from, &bytes).expect("written");
        let path = upload.prefix.clone().join("demo").join("file.mp4");
        assert_eq!(upload.send_bytes(&from, &path).await.expect("sent"), size as u64);
        assert!(std::fs::read(directory.path().join("bucket/demo/file.mp4")).expect("there") == bytes, "{size}");
    }
}
