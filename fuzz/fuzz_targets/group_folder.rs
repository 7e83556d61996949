//! Changes of the folder that a group keeps, and its whole state, of any bytes: nobody panics, nothing leads out of the folder, and
//! what was taken is saved and loaded as the same.
#![no_main]

use bartizan_quorum::Machine;
use bartizan_quorum::folder::Folder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut folder = Folder::default();
    for (index, part) in (1..).zip(bytes.split(|byte| *byte == 0xff)) {
        let _ = folder.apply(index, part);
    }
    let mut other = Folder::default();
    other.load(&folder.save()).expect("what was taken is a state");
    assert_eq!(*folder.image(), *other.image());
    let _ = other.load(bytes);
});
