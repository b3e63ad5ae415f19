//! The contract: what `prodrome.v1` promised stays so. Compares the protobuf files with the committed
//! image of them, by the rules of buf's category FILE as far as they apply to this contract.
//!
//! After an addition that breaks nothing, the image is written anew:
//! `cargo test --test it contract::write_the_image -- --ignored --exact`

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use prodrome::rpc::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MethodDescriptorProto,
};

use crate::support::root;

fn image_path() -> PathBuf {
    root().join("proto/prodrome.v1.binpb")
}

/// The contract as it is now, without comments and places.
fn current() -> FileDescriptorSet {
    let mut set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    for file in &mut set.file {
        file.source_code_info = None;
    }
    set
}

/// The contract as it was promised.
fn promised() -> FileDescriptorSet {
    FileDescriptorSet::decode(fs::read(image_path()).unwrap().as_slice()).unwrap()
}

/// A field's properties that a change of would break somebody, by name.
fn properties(
    message: &DescriptorProto,
    field: &FieldDescriptorProto,
) -> Vec<(&'static str, String)> {
    let oneof = field.oneof_index.and_then(|at| message.oneof_decl.get(at as usize));
    // The oneof of an `optional` field is made up by the compiler.
    let is_optional = field.proto3_optional();
    vec![
        ("name", field.name().into()),
        ("type", format!("{:?} {}", field.r#type(), field.type_name())),
        ("label", format!("{:?}", field.label())),
        ("presence", is_optional.to_string()),
        ("oneof", oneof.filter(|_| !is_optional).map_or("", |oneof| oneof.name()).into()),
        ("JSON name", field.json_name().into()),
    ]
}

fn method_properties(method: &MethodDescriptorProto) -> Vec<(&'static str, String)> {
    vec![
        ("request", method.input_type().into()),
        ("response", method.output_type().into()),
        ("client streaming", method.client_streaming().to_string()),
        ("server streaming", method.server_streaming().to_string()),
    ]
}

/// All that can be broken, by a name that says what it is; the value of each must stay.
#[derive(Debug, Default)]
struct Promises(BTreeMap<String, String>);

impl Promises {
    fn of(set: &FileDescriptorSet) -> Promises {
        let mut promises = Promises::default();
        for file in set.file.iter().filter(|file| file.package() == "prodrome.v1") {
            promises.file(file);
        }
        promises
    }

    fn add(&mut self, what: String, value: impl Into<String>) {
        assert_eq!(self.0.insert(what.clone(), value.into()), None, "{what} is there once");
    }

    fn file(&mut self, file: &FileDescriptorProto) {
        self.add(format!("file {}", file.name()), file.package());
        self.add(format!("file {}: syntax", file.name()), file.syntax());
        for message in &file.message_type {
            self.message(message, file.package(), file.name());
        }
        for list in &file.enum_type {
            self.list(list, file.package(), file.name());
        }
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            self.add(format!("service {name}"), file.name());
            for method in &service.method {
                let what = format!("method {name}/{}", method.name());
                self.add(what.clone(), "");
                for (property, value) in method_properties(method) {
                    self.add(format!("{what}: {property}"), value);
                }
            }
        }
    }

    fn message(&mut self, message: &DescriptorProto, outer: &str, file: &str) {
        let name = format!("{outer}.{}", message.name());
        self.add(format!("message {name}"), file);
        for oneof in &message.oneof_decl {
            let is_made_up = |field: &&FieldDescriptorProto| {
                field.proto3_optional() && oneof.name() == format!("_{}", field.name())
            };
            if !message.field.iter().any(|field| is_made_up(&field)) {
                self.add(format!("oneof {name}.{}", oneof.name()), "");
            }
        }
        for field in &message.field {
            let what = format!("field {name} number {}", field.number());
            self.add(what.clone(), "");
            for (property, value) in properties(message, field) {
                self.add(format!("{what}: {property}"), value);
            }
        }
        for range in &message.reserved_range {
            self.add(format!("reserved {name} {} to {}", range.start(), range.end() - 1), "");
        }
        for reserved in &message.reserved_name {
            self.add(format!("reserved {name} \"{reserved}\""), "");
        }
        message.nested_type.iter().for_each(|inner| self.message(inner, &name, file));
        message.enum_type.iter().for_each(|inner| self.list(inner, &name, file));
    }

    fn list(&mut self, list: &EnumDescriptorProto, outer: &str, file: &str) {
        let name = format!("{outer}.{}", list.name());
        self.add(format!("enum {name}"), file);
        for value in &list.value {
            self.add(format!("value {name} number {}", value.number()), value.name());
        }
        for range in &list.reserved_range {
            self.add(format!("reserved {name} {} to {}", range.start(), range.end()), "");
        }
    }

    /// What of these promises `now` breaks.
    fn broken_by(&self, now: &Promises) -> Vec<String> {
        let broken = self.0.iter().filter_map(|(what, was)| match now.0.get(what) {
            None => Some(format!("{what} is gone")),
            Some(is) if is != was => Some(format!("{what}: `{was}` has become `{is}`")),
            Some(_) => None,
        });
        broken.collect()
    }
}

#[test]
fn nothing_that_was_promised_is_broken() {
    let broken = Promises::of(&promised()).broken_by(&Promises::of(&current()));
    assert!(
        broken.is_empty(),
        "callers of prodrome.v1 would break; add beside it what is new, or begin prodrome.v2: \
         {broken:#?}"
    );
}

#[test]
fn the_image_is_the_contract_of_today() {
    let missing = Promises::of(&current()).broken_by(&Promises::of(&promised()));
    assert!(
        missing.is_empty(),
        "new in the contract, and not promised yet: write the image anew (see the top of this \
         file): {missing:#?}"
    );
}

#[test]
#[ignore = "writes the image, after an addition to the contract"]
fn write_the_image() {
    if image_path().exists() {
        nothing_that_was_promised_is_broken();
    }
    fs::write(image_path(), current().encode_to_vec()).unwrap();
}

/// The contract with one thing changed.
fn changed(change: impl FnOnce(&mut FileDescriptorSet)) -> Vec<String> {
    let mut set = current();
    change(&mut set);
    Promises::of(&current()).broken_by(&Promises::of(&set))
}

fn file<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut FileDescriptorProto {
    let name = format!("prodrome/v1/{name}.proto");
    set.file.iter_mut().find(|file| file.name() == name).unwrap()
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let all = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    all.into_iter().find(|message| message.name() == name).unwrap()
}

fn field<'a>(set: &'a mut FileDescriptorSet, of: &str, name: &str) -> &'a mut FieldDescriptorProto {
    let fields = &mut message(set, of).field;
    fields.iter_mut().find(|field| field.name() == name).unwrap()
}

fn method<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut MethodDescriptorProto {
    let services = set.file.iter_mut().flat_map(|file| &mut file.service);
    let mut methods = services.flat_map(|service| &mut service.method);
    methods.find(|method| method.name() == name).unwrap()
}

#[test]
fn every_way_to_break_a_caller_is_seen() {
    use prost_types::field_descriptor_proto::{Label, Type};

    let seen = |broken: Vec<String>, says: &str| {
        assert!(broken.iter().any(|line| line.contains(says)), "{says}: {broken:#?}");
    };
    let gone = |name: &'static str| {
        changed(|set| message(set, "ScoreRequest").field.retain(|field| field.name() != name))
    };
    seen(gone("request_id"), "field prodrome.v1.ScoreRequest number 1 is gone");
    seen(changed(|s| field(s, "TaskRef", "task").number = Some(77)), "TaskRef number 1 is gone");
    seen(changed(|s| field(s, "TaskRef", "task").name = Some("job".into())), "name: `task`");
    seen(
        changed(|s| field(s, "Score", "probability").set_type(Type::Float)),
        "type: `Double ` has become `Float `",
    );
    seen(changed(|s| field(s, "Event", "code").set_label(Label::Repeated)), "label: `Optional`");
    seen(changed(|s| field(s, "Event", "number").oneof_index = None), "oneof: `value`");
    seen(changed(|s| field(s, "Event", "code").json_name = Some("kode".into())), "JSON name");
    seen(
        changed(|s| field(s, "Model", "auroc").proto3_optional = Some(false)),
        "presence: `true` has become `false`",
    );
    seen(
        changed(|s| field(s, "Score", "reasons").type_name = Some(".prodrome.v1.Period".into())),
        "Period`",
    );
    seen(
        changed(|s| file(s, "history").message_type.retain(|m| m.name() != "Period")),
        "message prodrome.v1.Period is gone",
    );
    seen(
        changed(|s| {
            let moved = file(s, "history").message_type.pop().unwrap();
            file(s, "catalog").message_type.push(moved);
        }),
        "`prodrome/v1/history.proto` has become `prodrome/v1/catalog.proto`",
    );
    seen(
        changed(|s| file(s, "history").enum_type.retain(|list| list.name() != "Sex")),
        "enum prodrome.v1.Sex is gone",
    );
    seen(
        changed(|s| drop(file(s, "history").enum_type[0].value.pop())),
        "value prodrome.v1.Sex number",
    );
    seen(
        changed(|s| file(s, "history").enum_type[0].value[1].name = Some("SEX_OTHER_NAME".into())),
        "has become `SEX_OTHER_NAME`",
    );
    seen(
        changed(|s| file(s, "scoring").service.clear()),
        "service prodrome.v1.RiskScoring is gone",
    );
    seen(
        changed(|s| drop(file(s, "scoring").service[0].method.pop())),
        "method prodrome.v1.RiskScoring/",
    );
    seen(changed(|s| method(s, "Score").server_streaming = Some(true)), "server streaming");
    seen(changed(|s| method(s, "Score").client_streaming = Some(true)), "client streaming");
    seen(changed(|s| method(s, "Score").input_type = Some(".x.Y".into())), "request: `");
    seen(changed(|s| method(s, "Score").output_type = Some(".x.Y".into())), "response: `");
    seen(changed(|s| file(s, "catalog").package = Some("prodrome.v2".into())), "is gone");
}

#[test]
fn additions_break_nobody() {
    let added = changed(|set| {
        let mut new = field(set, "TaskRef", "task").clone();
        (new.name, new.number) = (Some("new".into()), Some(99));
        new.json_name = Some("new".into());
        message(set, "TaskRef").field.push(new);
        let service = &mut file(set, "scoring").service[0];
        let mut new = service.method[0].clone();
        new.name = Some("New".into());
        service.method.push(new);
    });
    assert_eq!(added, Vec::<String>::new());
}
