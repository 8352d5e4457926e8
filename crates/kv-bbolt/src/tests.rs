//! What is written reads back, and nothing that is read is trusted.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;

type Content = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// The backend file of a real etcd 3.7.3: some keys, a large one, deletions, a lease, a user and a role.
const ETCD: &[u8] = include_bytes!("../fixtures/etcd-3.7.db");

fn write(content: &Content) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
    for (name, keys) in content {
        writer.begin_bucket(name).unwrap();
        for (key, value) in keys {
            writer.put(key, value).unwrap();
        }
    }
    let (out, length) = writer.finish().unwrap();
    let bytes = out.into_inner();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

fn read(bytes: Vec<u8>) -> Result<Content, ImageError> {
    let length = bytes.len() as u64;
    let image = Image::open(bytes, length)?;
    let mut content = Content::new();
    for name in image.buckets() {
        let mut cursor = image.cursor(name).expect("a bucket that is listed is there");
        let keys = content.entry(name.to_vec()).or_default();
        while let Some((key, value)) = cursor.next()? {
            keys.insert(key.to_vec(), value.to_vec());
        }
    }
    image.check()?;
    Ok(content)
}

/// As many keys as make a tree of three levels, with some values that need pages of their own.
fn large() -> Content {
    let value = |number: u32| vec![7; if number.is_multiple_of(500) { 30_000 } else { 100 }];
    let keys =
        (0..9_000_u32).map(|number| ([&number.to_be_bytes()[..], &[b'k'; 100]].concat(), value(number)));
    Content::from([
        (b"a".to_vec(), BTreeMap::new()),
        (b"key".to_vec(), keys.collect()),
        (b"z".to_vec(), BTreeMap::from([(b"k".to_vec(), vec![])])),
    ])
}

#[test]
fn large_buckets_and_values_read_back() {
    let content = large();
    assert_eq!(read(write(&content)).unwrap(), content);
}

#[test]
fn a_real_file_reads() {
    let content = read(ETCD.to_vec()).unwrap();
    let names: Vec<_> = content.keys().map(|name| String::from_utf8_lossy(name)).collect();
    let expected = "alarm auth authRoles authUsers cluster key lease members members_removed meta";
    assert_eq!(names.join(" "), expected);
    let large = content[&b"key"[..]].values().map(Vec::len).max();
    assert!(large > Some(5_000), "{large:?}");
    // Written anew it is the same.
    assert_eq!(read(write(&content)).unwrap(), content);
}

#[test]
fn keys_out_of_order_or_without_a_place_are_refused() {
    let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
    writer.begin_bucket(b"b").unwrap();
    writer.put(b"k", b"").unwrap();
    assert!(matches!(
        writer.put(b"k", b""),
        Err(WriteError::OutOfOrder { .. })
    ));
    assert!(matches!(writer.put(b"", b""), Err(WriteError::Length { .. })));
    assert!(matches!(
        writer.put(&[9; 40_000], b""),
        Err(WriteError::Length { .. })
    ));
    let again = writer.begin_bucket(b"a").and_then(|()| writer.begin_bucket(b"c"));
    assert!(matches!(again, Err(WriteError::OutOfOrder { .. })));
}

#[test]
fn what_is_no_image_or_not_all_of_one_is_said_so() {
    assert!(matches!(read(Vec::new()), Err(ImageError::NoMeta)));
    assert!(matches!(read(vec![7; 20_000]), Err(ImageError::NoMeta)));
    let whole = write(&large());
    for length in [whole.len() - 1, whole.len() / 2, 8192] {
        let truncated = read(whole[..length].to_vec());
        assert!(matches!(truncated, Err(ImageError::Truncated { .. })), "{length}");
    }
}

#[test]
fn one_bad_meta_page_is_made_up_for_by_the_other() {
    let content = read(ETCD.to_vec()).unwrap();
    for page in [0, 1] {
        let mut bytes = write(&content);
        bytes[page * 4096 + 20] ^= 1;
        assert_eq!(read(bytes).unwrap(), content);
    }
}

#[test]
fn a_page_that_leads_back_to_itself_is_an_error() {
    let bytes = write(&large());
    let image = Image::open(bytes.clone(), bytes.len() as u64).unwrap();
    let pages = image.size() / 4096;
    let branch = (2..pages).find(|page| {
        let at = usize::try_from(page * 4096).unwrap();
        bytes[at..at + 8] == page.to_le_bytes() && bytes[at + 8] == 1
    });
    let branch = branch.expect("a large bucket has branches");
    let at = usize::try_from(branch * 4096).unwrap();
    let mut circle = bytes;
    circle[at + 24..at + 32].copy_from_slice(&branch.to_le_bytes());
    let error = read(circle).unwrap_err().to_string();
    assert!(error.contains("referred to twice"), "{error}");
}

fn contents() -> impl Strategy<Value = Content> {
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    let value = prop_oneof![9 => bytes(0..50), 1 => bytes(4_000..9_000)];
    let keys = prop::collection::btree_map(bytes(1..300), value, 0..120);
    prop::collection::btree_map(bytes(1..12), keys, 0..6)
}

/// What befalls a file: bytes that change, and where it ends.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 1..20);
    (flips, prop::option::weighted(0.1, any::<prop::sample::Index>()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn all_contents_read_back(content in contents()) {
        prop_assert_eq!(read(write(&content)).unwrap(), content);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// It may read well, as not all bytes count; it must come to an end in any case.
    #[test]
    fn a_damaged_file_is_an_error_at_worst((flips, end) in damage()) {
        let mut bytes = ETCD.to_vec();
        for (at, flip) in flips {
            // Mostly where pages say what is in them.
            let at = at.index(bytes.len());
            let near = at / 4096 * 4096 + at % 128;
            bytes[if flip % 4 == 0 { at } else { near }] ^= flip;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        let _ = read(bytes);
    }
}
