//! Faults in task files: each is an error that names its place and says how to mend it.

use prodrome::task::{PlannedParams, Task};

use crate::support::{concepts, task_text};

/// What is said of the task file with `from` replaced by `to`.
fn fault(task: &str, from: &str, to: &str) -> String {
    let text = task_text(task);
    assert!(text.contains(from), "{task} holds `{from}`");
    let parsed = Task::parse(&text.replacen(from, to, 1), &concepts());
    parsed.map(|_| ()).expect_err(&format!("{task} with `{to}`")).to_string()
}

/// Each fault is told with all of `says`.
fn told(task: &str, from: &str, to: &str, says: &[&str]) {
    let error = fault(task, from, to);
    for word in says {
        assert!(error.contains(word), "{task} with `{to}` should say `{word}`: {error}");
    }
}

#[test]
fn all_shipped_tasks_read_and_are_written_as_they_are_read() {
    let concepts = concepts();
    let tasks = [
        "readmit30",
        "readmit30_early",
        "readmit30_diabetes",
        "htn_incident",
        "bp_rise",
        "admit365",
        "ed72",
        "ckd_progress",
        "t2d_incident",
    ];
    for name in tasks {
        let task = Task::parse(&task_text(name), &concepts).unwrap();
        assert_eq!(task.params().name, name, "the folder is named like the task");
        let again = Task::parse(&task.to_toml().unwrap(), &concepts).unwrap();
        assert_eq!(again, task, "{name}");
    }
}

#[test]
fn an_unknown_key_or_word_is_named_with_its_line_and_its_neighbour() {
    let unknown = |task, from, to, near: &str| {
        let near = format!("did you mean `{near}`?");
        told(task, from, to, &["line ", near.as_str()]);
    };
    unknown("readmit30", "washout_days", "washout_day", "washout_days");
    unknown(
        "readmit30",
        "same_day_same_cause_continues",
        "same_day_same_cause_continue",
        "same_day_same_cause_continues",
    );
    unknown("readmit30", "any_procedure = true", "any_procedures = true", "any_procedure");
    unknown("htn_incident", "apart_days_min", "apart_days_mim", "apart_days_min");
    unknown("htn_incident", "at_least = \"sys", "at_last = \"sys", "at_least");
    unknown("htn_incident", "rule = \"died\"", "rule = \"dies\"", "died");
    unknown("htn_incident", "measured_days", "measured_day", "measured_days");
    unknown("readmit30", "\"episode_end\"", "\"episodes_end\"", "episode_end");
    unknown("bp_rise", "to_at_least", "to_at_last", "to_at_least");
    unknown("ed72", "classes = [\"EMER\"]", "classes = [\"EMMER\"]", "EMER");
    unknown("readmit30_early", "from = \"discharge\"", "from = \"discharged\"", "discharge");
}

#[test]
fn an_unknown_concept_or_parameter_is_named_with_its_place_and_its_neighbour() {
    let place = |task, from, to, place: &str, near: &str| {
        let near = format!("did you mean `{near}`?");
        told(task, from, to, &[place, near.as_str()]);
    };
    let drug = "unless = [\"antihypertensive_other_indication\"]";
    let wrong = "unless = [\"antihypertensive_other_indications\"]";
    place("htn_incident", drug, wrong, "outcome `drug_start`", "antihypertensive_other_indication");
    let (ends, pregnant) = ("ends_at = [\"pregnancy\"]", "ends_at = [\"pregnant\"]");
    place("htn_incident", ends, pregnant, "follow_up.ends_at", "pregnancy");
    let with = "with = [\"systolic_bp\", ";
    place("bp_rise", with, "with = [\"systolic\", ", "index.rule.contact.with", "systolic_bp");
    let died = "[\"discharge_died\"]";
    place("readmit30", died, "[\"discharge_dies\"]", "exclude `died_in_stay`", "discharge_died");
    let elective = "admission = [\"admission_elective\"]";
    let wrong = "admission = [\"admission_electiv\"]";
    place("readmit30", elective, wrong, "planned `planned-small-1`", "admission_elective");
    let (high, wrong) = ("at_least = \"systolic_high\"", "at_least = \"systolic_hi\"");
    place("htn_incident", high, wrong, "outcome `high_readings`", "systolic_high");
    let (value, wrong) = ("value = \"diastolic_high\"", "value = \"diastolichigh\"");
    place("htn_incident", value, wrong, "exclude `mean_diastolic_high`", "diastolic_high");
    place("bp_rise", "by = \"rise\"", "by = \"ris\"", "outcome `rise`", "rise");
    place("bp_rise", "systolic_bp = [60", "systolic_pb = [60", "valid", "systolic_bp");
    told("readmit30", "\"lace\"", "\"lase\"", &["published", "lace"]);
}

#[test]
fn numbers_out_of_their_limits_are_named_with_the_limit() {
    let risk = "time_at_risk.start_days: must lie before horizon_days";
    told("htn_incident", "start_days = 1", "start_days = 365", &[risk]);
    told("readmit30", "horizon_days = 30", "horizon_days = 9999", &["horizon_days", "1 to 3660"]);
    told("readmit30", "max_age_hours = 72", "max_age_hours = 9999", &["max_age_hours", "a year"]);
    let washout = "washout_days = 365";
    told("readmit30", washout, "washout_days = 99999", &["follow_up.washout_days", "36600"]);
    told("readmit30", washout, "min_days = 31", &["follow_up.min_days", "horizon_days"]);
    let early = ["index.rule.in_stay.first_hours", "1 to 720"];
    told("readmit30_early", "first_hours = 24", "first_hours = 0", &early);
    let apart = ["outcome `high_readings`", "apart_days_min must be at most apart_days_max"];
    told("htn_incident", "apart_days_max = 365", "apart_days_max = 6", &apart);
    told("htn_incident", "times = 2", "times = 3", &["outcome `high_readings`", "once or twice"]);
    told("bp_rise", "from_days = 90", "from_days = 365", &["outcome `rise`", "before the horizon"]);
    told("bp_rise", "[60, 260]", "[260, 60]", &["valid", "two rising numbers"]);
    let share = ["outcome `fall_by_40_percent`", "at_most_share"];
    told("ckd_progress", "at_most_share = 0.6", "at_most_share = 1.6", &share);
}

#[test]
fn rules_that_do_not_fit_together_are_told_apart() {
    let text = task_text("readmit30");
    let (from, to) = (text.find("[planned]").unwrap(), text.find("[[include]]").unwrap());
    let planned = &text[from..to];
    let unplanned = "outcome `unplanned_readmission`: unplanned stays need a [planned] rule set";
    told("readmit30", planned, "", &[unplanned]);
    let past = ["outcome `unplanned_admission`", "`unplanned = true`"];
    let asked = "{ classes = [\"IMP\", \"ACUTE\"], unplanned = true, past_planned = true }";
    told("admit365", asked, "{ past_planned = true }", &past);
    let in_stay = "rule = { in_stay = { first_hours = 24 } }";
    let from = ["time_at_risk.from", "goes with the index rule in_stay"];
    told("readmit30_early", in_stay, "rule = \"episode_end\"", &from);
    told("readmit30_early", "from = \"discharge\"\n", "", &from);
    let bound = ["outcome `high_readings`", "one of `at_least`, `below`"];
    told(
        "htn_incident",
        "\"systolic_bp\", at_least = \"systolic_high\" }",
        "\"systolic_bp\" }",
        &bound,
    );
    let both = "\"systolic_bp\", at_least = 140, below = 200 }";
    told("htn_incident", "\"systolic_bp\", at_least = \"systolic_high\" }", both, &bound);
    let unit = ["outcome `high_readings`", "`hypertension` has no unit"];
    let no_number = "concept = \"hypertension\", at_least";
    told("htn_incident", "concept = \"systolic_bp\", at_least", no_number, &unit);
    let nothing = ["planned `planned-small-1`", "says something that must hold"];
    told("readmit30", "said_planned = true", "said_planned = false", &nothing);
    let empty = "classes = []";
    told("ed72", "classes = [\"EMER\"]", empty, &["index.rule.contact.classes", "at least one"]);
    let discharge = ["exclude `hospice`", "at least one concept"];
    told("readmit30", "{ discharge = [\"discharge_hospice\"] }", "{ discharge = [] }", &discharge);
}

#[test]
fn a_name_that_is_given_twice_is_said() {
    told(
        "readmit30",
        "name = \"hospice\"",
        "name = \"died_in_stay\"",
        &["exclude `died_in_stay`", "another name"],
    );
    told(
        "htn_incident",
        "name = \"problem_list\"",
        "name = \"high_readings\"",
        &["outcome `high_readings`", "another name"],
    );
}

#[test]
fn a_file_of_planned_rules_is_read_as_strictly() {
    let error = PlannedParams::parse("name = \"ours\"\n[[rule]]\nprincipl = []\n").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("line 3") && error.contains("did you mean `principal`?"), "{error}");
}

#[test]
fn each_tier_but_the_last_begins_by_one_rule_that_makes_sense() {
    let tier = |from, to, says: &[&str]| told("readmit30_diabetes", from, to, says);
    let high = "top_share = 0.05";
    let (both, misspelt) = ("top_share = 0.05\nppv_min = 0.2", "flag_per_100 = 8.0");
    tier(high, both, &["tier `high`", "both top_share and ppv_min"]);
    tier(high, "", &["tier `high`", "flags_per_100", "flags_per_day", "ppv_min", "cost_ratio"]);
    tier(high, misspelt, &["line ", "did you mean `flags_per_100`?"]);
    tier(high, "flags_per_100 = 0.0", &["tier `high`", "above 0 and below 100"]);
    tier(high, "flags_per_day = nan", &["tier `high`", "above 0 and at most 100000"]);
    tier(high, "ppv_min = 1.0", &["tier `high`", "above 0 and below 1"]);
    tier(high, "cost_ratio = -9.0", &["tier `high`", "above 0 and at most 10000"]);
    tier(high, "flags_per_100 = 20.0", &["tier `moderate`", "top_share must rise above"]);
    tier("name = \"low\"", "name = \"low\"\nppv_min = 0.1", &["tier `low`", "takes the rest"]);
    let pair = |one: &str, other: &str| {
        let text = task_text("readmit30_diabetes");
        let text = text.replacen(high, one, 1).replacen("top_share = 0.20", other, 1);
        Task::parse(&text, &concepts())
    };
    let crossed = |one, other| pair(one, other).unwrap_err().to_string();
    let ppv = crossed("ppv_min = 0.2", "ppv_min = 0.2");
    assert!(ppv.contains("ppv_min must lie below"), "{ppv}");
    let a_day = crossed("flags_per_day = 3.0", "flags_per_day = 2.0");
    assert!(a_day.contains("flags_per_day must rise above"), "{a_day}");
    for (one, other) in
        [("flags_per_day = 12.0", "cost_ratio = 9.0"), ("ppv_min = 0.3", "ppv_min = 0.2")]
    {
        let task = pair(one, other).unwrap();
        let again = Task::parse(&task.to_toml().unwrap(), &concepts()).unwrap();
        assert_eq!((again.digest(), again.tier_rules().len()), (task.digest(), 2));
    }
}

#[test]
fn a_tier_by_its_share_has_the_digest_it_had_before_there_were_other_rules() {
    let task = Task::parse(&task_text("readmit30_diabetes"), &concepts()).unwrap();
    assert_eq!(task.digest(), crate::support::shipped().manifest().task_digest);
}
