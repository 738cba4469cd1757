use super::*;

fn kept(most: usize) -> Kept {
    let Answers(kept) = Answers::new(most, Duration::from_secs(60));
    Arc::into_inner(kept).unwrap().into_inner().unwrap()
}

fn answer() -> Answer {
    Answer { status: StatusCode::CREATED, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }
}

#[test]
fn the_same_request_is_answered_as_before_and_another_one_is_refused() {
    let (mut kept, now) = (kept(4), Instant::now());
    assert_eq!(kept.begin(now, [1; 32], [7; 32]), Found::New);
    assert_eq!(kept.begin(now, [1; 32], [7; 32]), Found::UnderWay);
    kept.end(&[1; 32], Some(answer()));
    assert_eq!(kept.begin(now, [1; 32], [7; 32]), Found::Answered(answer()));
    assert_eq!(kept.begin(now, [1; 32], [8; 32]), Found::Differs);
    assert_eq!(kept.begin(now, [2; 32], [8; 32]), Found::New);
    kept.end(&[2; 32], None);
    assert_eq!(kept.begin(now, [2; 32], [9; 32]), Found::New, "one that failed may be tried again");
}

#[test]
fn answers_are_forgotten_by_age_and_by_number() {
    let (mut kept, now) = (kept(2), Instant::now());
    for key in [1, 2, 3] {
        assert_eq!(kept.begin(now, [key; 32], [0; 32]), Found::New);
        kept.end(&[key; 32], Some(answer()));
    }
    assert_eq!((kept.by_key.len(), kept.order.len()), (2, 2));
    assert_eq!(kept.begin(now, [1; 32], [0; 32]), Found::New);
    assert_eq!(kept.begin(now + Duration::from_secs(60), [3; 32], [0; 32]), Found::New);
}

#[test]
fn what_is_asked_again_takes_no_others_place() {
    let (mut kept, now) = (kept(2), Instant::now());
    for key in [1, 2] {
        assert_eq!(kept.begin(now, [key; 32], [0; 32]), Found::New);
        kept.end(&[key; 32], Some(answer()));
    }
    for key in [2, 1, 2, 1] {
        assert_eq!(kept.begin(now, [key; 32], [0; 32]), Found::Answered(answer()), "{key}");
    }
}

#[test]
fn parts_of_a_hash_do_not_run_into_each_other() {
    assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
}
