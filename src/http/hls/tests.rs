use super::range::{Span, parse};
use super::*;

#[test]
fn ranges_are_read_as_the_rfc_says() {
    assert_eq!(parse("bytes=0-3", 10), Span::Part { first: 0, last: 3 });
    assert_eq!(parse("bytes=4-", 10), Span::Part { first: 4, last: 9 });
    assert_eq!(parse("bytes=-4", 10), Span::Part { first: 6, last: 9 });
    assert_eq!(parse("bytes=-40", 10), Span::Part { first: 0, last: 9 });
    assert_eq!(parse("bytes=8-400", 10), Span::Part { first: 8, last: 9 });
    for unsatisfiable in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
        assert_eq!(parse(unsatisfiable, 10), Span::Unsatisfiable, "{unsatisfiable}");
    }
    assert_eq!(parse("bytes=0-", 0), Span::Unsatisfiable);
    for whole in ["bytes=3-2", "bytes=0-1,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-b"] {
        assert_eq!(parse(whole, 10), Span::Whole, "{whole}");
    }
}

#[test]
fn delivery_directives_are_found_among_others() {
    assert_eq!(parse_query("token=x&_HLS_msn=12&_HLS_part=3"), Some(Query { msn: Some(12), part: Some(3) }));
    assert_eq!(parse_query(""), Some(Query::default()));
    assert_eq!(parse_query("_HLS_msn=-1"), None);
    assert_eq!(parse_query("_HLS_part=99999999999999999999999"), None);
}
