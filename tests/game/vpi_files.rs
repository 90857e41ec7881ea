//! Files of vpid cannot be written or read by scripts; all others can, as before.

use serde_json::json;

use crate::support::What;
use crate::support::peer::Talk;

#[test]
fn our_files_are_out_of_reach_under_any_name() {
    let mut talk = Talk::start("");
    let names = [
        "vpid/x",
        "vpid/x.txt",
        "VPID/x",
        "vPid\\\\x",
        "/vpid/x",
        "//vpid//x",
        "\\\\vpid\\\\x",
        "./vpid/x",
        "././vpid/x",
        ".//vpid/x",
        "vpid/./x",
        "vpid/../vpid/x",
        "a/../vpid/x",
        "vpid",
        "vpid/",
        "vpid./x",
        "vpid /x",
        "vpid. . /x",
        "vpid\\0",
        "vpid/x\\0.txt",
        "vpid::$INDEX_ALLOCATION/x",
        "x.interface",
        "X.INTERFACE",
        "a/b/x.Interface",
        "x.interface ",
        "x.interface.",
        "x.interface. .",
        "x.interface\\0.txt",
        "x.interface::$DATA",
        ".interface",
        "sub\\\\x.interface",
        "my_server_vpi_input.interface",
        "my_server_vpi_input.interface/x",
        "my_server_vpi_input.interface.vpid/x",
        "my_server_vpi_input.interface.vpid",
        "a/B.Interface. /c/d.txt",
        "a\\\\x_vpi_1_2_output.interface.77.taken/y",
        "x.interface.y.interface/z",
    ];
    talk.game.clear_record();
    for name in names {
        let code = format!("return [StringToFile(\"{name}\", \"x\"), FileToString(\"{name}\")]");
        assert_eq!(talk.script(&code), json!([false, null]), "{name}");
        let allowed = talk
            .game
            .record()
            .0
            .into_iter()
            .any(|entry| match entry.what {
                What::Write { name: file, text } => {
                    !text.starts_with(b"vpid1 ") || !file.starts_with("vpid/my_server_")
                }
                What::Read { name: file, .. } => !file.starts_with("vpid/my_server_"),
                _ => false,
            });
        assert!(!allowed, "{name}");
    }
    talk.assert_printed("A script tried to write vpid/x, which is for vpid only");
    talk.assert_printed("A script tried to read vpid/x, which is for vpid only");
}

#[test]
fn all_other_files_are_written_and_read_as_before() {
    let mut talk = Talk::start("");
    let names = [
        "a",
        "sub/a.txt",
        "vpid.txt",
        "vpids/x",
        "xvpid/x",
        "b/vpid/x",
        "x.interfaces",
        "x.interface.txt",
        "z.interface.txt/y",
        "interface",
        "vpi/x",
        "v/pid",
        "my vpid/x",
    ];
    for name in names {
        let code = format!(
            "local done = StringToFile(\"{name}\", \"text of {name}\"); return [done, FileToString(\"{name}\")]"
        );
        assert_eq!(
            talk.script(&code),
            json!([true, format!("text of {name}")]),
            "{name}"
        );
    }
    let odd = "return [StringToFile(\"n\", null), FileToString(\"n\"), FileToString(\"missing\"), StringToFile(\"../x\", \"\"), StringToFile(null, null), FileToString(null)]";
    assert_eq!(
        talk.script(odd),
        json!([true, "", null, false, false, null])
    );
    for code in [
        "StringToFile(5, \"x\")",
        "StringToFile(\"x\", {})",
        "FileToString([])",
        "StringToFile(\"x\")",
    ] {
        assert!(talk.game.try_run("mine.nut", code).is_err(), "{code}");
    }
}
