use super::*;

fn to(url: &str) -> Record {
    Record { upload_to: url.into(), ..Record::default() }
}

#[test]
fn an_address_that_leads_nowhere_is_refused_at_the_start() {
    assert!(Upload::new(&to("")).expect("nothing is to be uploaded").is_none());
    let refusal = |address: &str| match Upload::new(&to(address)) {
        Err(UploadError::Address(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refusal("/recordings"), AddressError::Url(_)));
    assert!(matches!(refusal("ftp://store/recordings"), AddressError::Store(_)));
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
