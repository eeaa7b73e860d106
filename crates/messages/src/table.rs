//! All sentences of a language by their codes, for those who render messages elsewhere.

use std::collections::BTreeMap;

use crate::{
    AttemptCount, BrokerAddress, BrokerCause, BrokerCure, BrokerFault, BrokerFound, BrokerPart, BrokerStep,
    BrokerWords, BudgetOf, Cause, Connect, Cure, EndedWhen, ExposedFile, Exposure, FileNote, FileTrouble, GoesFirst,
    Got, HeaderTrouble, Hint, Holder, HowOften, IntakeLoad, IntakeState, Language, LessonsShare, Limit, LinkState, Met,
    MetWords, Names, NamesNotRead, NextLookUp, NotRead, PeriodName, RelayState, RowsCure, RowsNotSent, Rule, Span,
    Spot, StateName, SuspensionEnd, Throttled, Throttling, ThrottlingNext, TimeForm, TimetableTrouble, Wanted, WhyFact,
    Wrong,
};

const FAMILIES: &[&[(&str, &str, &str)]] = &[
    AttemptCount::TABLE,
    BrokerAddress::TABLE,
    BrokerCause::TABLE,
    BrokerCure::TABLE,
    BrokerFault::TABLE,
    BrokerFound::TABLE,
    BrokerPart::TABLE,
    BrokerStep::TABLE,
    BrokerWords::TABLE,
    BudgetOf::TABLE,
    Cause::TABLE,
    Connect::TABLE,
    Cure::TABLE,
    EndedWhen::TABLE,
    ExposedFile::TABLE,
    Exposure::TABLE,
    FileNote::TABLE,
    FileTrouble::TABLE,
    GoesFirst::TABLE,
    Got::TABLE,
    HeaderTrouble::TABLE,
    Hint::TABLE,
    Holder::TABLE,
    HowOften::TABLE,
    IntakeLoad::TABLE,
    IntakeState::TABLE,
    LessonsShare::TABLE,
    Limit::TABLE,
    LinkState::TABLE,
    Met::TABLE,
    MetWords::TABLE,
    Names::TABLE,
    NamesNotRead::TABLE,
    NextLookUp::TABLE,
    NotRead::TABLE,
    PeriodName::TABLE,
    RelayState::TABLE,
    RowsCure::TABLE,
    RowsNotSent::TABLE,
    Rule::TABLE,
    Span::TABLE,
    Spot::TABLE,
    StateName::TABLE,
    SuspensionEnd::TABLE,
    Throttled::TABLE,
    Throttling::TABLE,
    ThrottlingNext::TABLE,
    TimeForm::TABLE,
    TimetableTrouble::TABLE,
    Wanted::TABLE,
    WhyFact::TABLE,
    Wrong::TABLE,
];

/// The sentence of each code, with `{value}` or, quoted, `{value:?}` for its values.
pub fn table(language: Language) -> BTreeMap<String, &'static str> {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    all.map(|(variant, english, chinese)| {
        let sentence = match language {
            Language::English => english,
            Language::Chinese => chinese,
        };
        (code(variant), *sentence)
    })
    .collect()
}

/// A variant's code, as serde writes it.
fn code(variant: &str) -> String {
    let mut code = String::with_capacity(variant.len() + 4);
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::{Bilingual, Render as _};

    /// The values that a sentence names.
    fn values(sentence: &str) -> BTreeSet<&str> {
        let inside = sentence.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0);
        inside.map(|inside| inside.split(':').next().unwrap()).collect()
    }

    #[test]
    fn each_code_is_there_once_in_both_languages_with_the_same_values() {
        let count: usize = FAMILIES.iter().map(|family| family.len()).sum();
        let (english, chinese) = (table(Language::English), table(Language::Chinese));
        assert_eq!((english.len(), chinese.len()), (count, count), "a code has two meanings");
        for (code, sentence) in &english {
            assert_eq!(values(sentence), values(chinese[code]), "{code}");
            let has_letters = |text: &str| text.chars().any(char::is_alphabetic);
            assert!(has_letters(sentence) && has_letters(chinese[code]), "{code} is empty");
        }
    }

    #[test]
    fn english_is_the_same_sentence_as_its_code_and_values_make() {
        let cure = Cure::FixAndGrant {
            fix: Box::new(Cure::Advice { advice: Bilingual { en: "grant it".into(), zh: "授权".into() } }),
            method: "m".into(),
            needs: "a scope".into(),
        };
        let form = json!({"code": "fix-and-grant", "values": {
            "fix": {"code": "advice", "values": {"advice": {"en": "grant it", "zh": "授权"}}},
            "method": "m", "needs": "a scope"}});
        assert_eq!(serde_json::to_value(&cure).unwrap(), form);
        assert_eq!(serde_json::from_value::<Cure>(form).unwrap(), cure);
        assert_eq!(cure.to_string(), "grant it (m needs: a scope)");
        assert_eq!(cure.render(Language::Chinese), "授权（m 需要：a scope）");
        let plain = serde_json::to_value(Cure::FixCause).unwrap();
        assert_eq!((&plain["code"], &plain["values"]), (&json!("fix-cause"), &Value::Null));
        for (variant, ..) in FAMILIES.iter().flat_map(|family| family.iter()) {
            assert!(table(Language::English).contains_key(&code(variant)));
        }
    }

    #[test]
    fn what_nobody_translated_stays_english() {
        let meaning = Bilingual { en: "no such level".into(), zh: String::new() };
        assert_eq!(Cause::Meaning { meaning }.render(Language::Chinese), "no such level");
    }

    #[test]
    fn values_are_quoted_where_they_could_be_misread() {
        let cause = Cause::OwnedAlready { key: "omm_1".into(), owner: "a \"b\"".into() };
        assert_eq!(cause.to_string(), r#"the platform answered with omm_1, which the job "a \"b\"" owns already"#);
        let names = |count| Names::first(["a", "b"].into_iter(), count, 2).render(Language::Chinese);
        assert_eq!((names(2), names(5)), ("a、b".to_owned(), "a、b，另有 3 个".to_owned()));
    }

    #[test]
    fn what_was_found_out_follows_what_was_known_first() {
        let cause = Cause::TimedOut.then(Cause::NoMessage).then(Cause::NoPermit);
        assert_eq!(cause.to_string(), "no answer before the time-out; no permit");
        assert_eq!(Cause::default().then(Cause::NoPermit), Cause::NoPermit);
    }
}
