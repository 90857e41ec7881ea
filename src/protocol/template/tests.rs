use super::*;

fn values(of: &[(&'static str, &str)]) -> Values {
    of.iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

fn lines(template: &str, of: &[(&'static str, &str)]) -> Result<Vec<String>, Unfilled> {
    let filled = Template::parse(template).unwrap().fill(&values(of))?;
    Ok(filled.text.iter().map(|it| it.line().unwrap()).collect())
}

#[test]
fn a_value_is_one_word_of_one_command_whatever_is_in_it() {
    for value in [
        "x",
        "a b",
        "a;quit",
        "//",
        "x\" ;quit;\"",
        "%group%",
        "[U:1:7]",
        "",
        "+x",
        "{}",
    ] {
        let of = [("nick", value), ("group", "VIP")];
        for template in [
            "sm_x %nick% 5",
            "sm_x \"%nick%\" 5",
            "sm_x \"a b %nick%\"5",
            "sm_x a%nick%b 5",
        ] {
            let filled = lines(template, &of).unwrap();
            let [line] = &filled[..] else {
                panic!("{filled:?}")
            };
            // Outside of quotation marks there is nothing of it but what is one word anyway.
            let outside: Vec<&str> = line.split('"').step_by(2).collect();
            assert_eq!(line.matches('"').count() % 2, 0, "{line}");
            assert!(
                !outside.concat().contains([';', '/', '%', '{', '[']),
                "{line}"
            );
            assert!(line.starts_with("sm_x ") && line.ends_with('5'), "{line}");
        }
    }
}

#[test]
fn values_are_quoted_where_they_have_to_be() {
    let of = [
        ("nick", "Ann \"x\""),
        ("userid", "12"),
        ("steamid3", "[U:1:7]"),
    ];
    for (template, expected) in [
        ("kickid %userid%", "kickid 12"),
        ("sm_kick #%userid% bye", "sm_kick #12 bye"),
        ("sm_kick \"#%userid%\"", "sm_kick \"#12\""),
        ("sm_x %steamid3%", "sm_x \"[U:1:7]\""),
        ("sm_x %nick%", "sm_x \"Ann 'x'\""),
        ("sm_x \"%nick% (%userid%)\" 0", "sm_x \"Ann 'x' (12)\" 0"),
        ("  say   50% of %x% % ", "say   50% of %x% %"),
        ("sm_x %what%%userid%", "sm_x \"%what%12\""),
    ] {
        assert_eq!(lines(template, &of).unwrap(), [expected], "{template}");
    }
}

#[test]
fn commands_are_split_before_values_come_in_and_can_be_read_for_themselves() {
    let template = Template::parse("sm_a \"x;y\" %nick%; ;sm_b %userid%;").unwrap();
    let commands: Vec<&str> = template.commands().collect();
    assert_eq!(commands, ["sm_a \"x;y\" %nick%", "sm_b %userid%"]);
    let filled = template
        .fill(&values(&[("nick", "1;2"), ("userid", "3")]))
        .unwrap();
    let expected = ["sm_a \"x;y\" \"1;2\"", "sm_b 3"].map(|line| Command::Console(line.into()));
    assert_eq!(filled.text, expected);
    assert!(filled.unknown.is_empty());
}

#[test]
fn what_cannot_be_carried_is_an_error_and_what_is_unknown_is_named() {
    for (value, unfit) in [
        ("a\nb", Unfit::Control),
        ("a\u{2028}b", Unfit::Control),
        (&*"x".repeat(600), Unfit::TooLong),
    ] {
        let name = "nick".to_owned();
        let expected = Err(Unfilled::Value { name, unfit });
        assert_eq!(lines("sm_x %nick%", &[("nick", value)]), expected);
    }
    let long = "y".repeat(300);
    let of = [("nick", &*long), ("group", &*long)];
    let expected = Err(Unfilled::Command(Unfit::TooLong));
    assert_eq!(lines("sm_x %nick% %group%", &of), expected);
    let template = Template::parse("sm_x %no_such% %nick%").unwrap();
    let filled = template.fill(&values(&[("nick", "A")])).unwrap();
    assert_eq!(filled.unknown, ["no_such"]);
    for (text, expected) in [
        ("", TemplateError::Empty),
        (" ; ", TemplateError::Empty),
        ("say \"x", TemplateError::Unclosed),
        ("say \"x\" \"y;z", TemplateError::Unclosed),
        ("a\nb", TemplateError::Control),
        ("%nick% x", TemplateError::PlaceInName),
        ("say x; \"sm_%nick%\"", TemplateError::PlaceInName),
    ] {
        assert_eq!(Template::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn in_code_a_value_is_a_literal_or_a_part_of_one() {
    let of = values(&[
        ("nick", "A\"\\n\u{e9}"),
        ("userid", "12"),
        ("steamid64", "76561197960287930"),
    ]);
    for (code, expected) in [
        (
            "Say(\"Hi %nick%e!\")",
            "Say(\"Hi A\\x27\\x5cn\\xc3\\xa9\\x65!\")",
        ),
        ("Say(%nick%)", "Say(\"A\\x27\\x5cn\\xc3\\xa9\")"),
        ("P(%userid%, %steamid64%)", "P(12, \"76561197960287930\")"),
        (
            "P(\"a\\\"%userid%\") // \"%nick%\n+%userid%",
            "P(\"a\\\"12\") // \"%nick%\n+12",
        ),
        ("/* %nick% */x % y %z%", "/* %nick% */x % y %z%"),
        ("# '%nick%", "# '%nick%"),
    ] {
        assert_eq!(fill_script(code, &of).unwrap().text, expected, "{code}");
    }
    for code in ["P(@\"%nick%\")", "P('%nick%')", "P(@\"a\"\"\\%nick%\")"] {
        let error = fill_script(code, &of).unwrap_err();
        assert_eq!(error, Unfilled::Verbatim("nick".into()), "{code}");
    }
    assert_eq!(fill_script("f(%what%)", &of).unwrap().unknown, ["what"]);
}

#[test]
fn no_text_panics_and_without_values_all_stays() {
    arbtest::arbtest(|u| {
        let pieces = [
            "%", "a", "%a%", "\"", ";", " ", "é", "//", "'", "@\"", "\\", "\n", "/*", "*/", "#",
        ];
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=14)? {
            text.push_str(u.choose(&pieces)?);
        }
        assert_eq!(fill_script(&text, &Values::new()).unwrap().text, text);
        let _ = fill_script(&text, &values(&[("a", "x\"\\")]));
        if let Ok(template) = Template::parse(&text) {
            let filled = template.fill(&Values::new()).unwrap().text;
            let filled: Vec<String> = filled.iter().map(|it| it.line().unwrap()).collect();
            assert_eq!(filled, template.commands().collect::<Vec<_>>());
            let _ = template.fill(&values(&[("a", "x; y\"")]));
        }
        Ok(())
    });
}
