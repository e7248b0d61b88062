//! Texts that were copied from a terminal: what is YAML in them, and what are commands and their output (MODEL-DOC-11).

use super::split::Chunk;
use crate::diagnostic::{Diagnostic, Position, Span};
use crate::path::FieldPath;

/// How a text came out of a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    /// It is what the source is.
    No,
    /// It stood in a here-document.
    HereDocument,
    /// It stood below a command, whose line begins at this byte of the source.
    Command(usize),
}

/// A part of a source that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) shell: Shell,
}

/// Commands whose here-documents and output are read.
const TOOLS: [&str; 6] = ["cat", "kubectl", "istioctl", "oc", "helm", "curl"];

/// The text from `skip` on; of a transcript, the bodies of its here-documents, or what stands below its commands.
pub(super) fn regions(text: &str, skip: usize) -> Vec<Region> {
    let bodies = here_documents(text, skip);
    if !bodies.is_empty() {
        return bodies;
    }
    let first = text.get(skip..).unwrap_or("").lines().find(|line| !is_blank(line));
    if first.and_then(command).is_some() {
        return below_commands(text, skip);
    }
    vec![Region { from: skip, to: text.len(), shell: Shell::No }]
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---"
}

fn here_documents(text: &str, skip: usize) -> Vec<Region> {
    let mut bodies = Vec::new();
    if !text.contains("<<") {
        return bodies;
    }
    let body = |from, to| Region { from, to, shell: Shell::HereDocument };
    let mut at = skip;
    let mut open: Option<(usize, &str)> = None;
    for line in text.get(skip..).unwrap_or("").split_inclusive('\n') {
        let trimmed = line.trim();
        match open {
            Some((start, marker)) if trimmed == marker => {
                bodies.push(body(start, at));
                open = None;
            }
            Some(_) => {}
            None => open = here_document(trimmed).map(|marker| (at + line.len(), marker)),
        }
        at += line.len();
    }
    if let Some((start, _)) = open {
        bodies.push(body(start, text.len()));
    }
    bodies
}

/// The end marker if `line` is a command such as `cat <<EOF | kubectl apply -f -`.
fn here_document(line: &str) -> Option<&str> {
    let command = line.strip_prefix("$ ").unwrap_or(line);
    let (before, after) = command.split_once("<<")?;
    // Anything else before it means that the line is YAML and not a command.
    if !["cat", "kubectl", "istioctl", "oc"].iter().any(|tool| before.trim_start().starts_with(tool)) {
        return None;
    }
    let marker =
        after.trim_start_matches('-').split([' ', '|', '>', ';']).next()?.trim_matches(['\'', '"', '\\']);
    (!marker.is_empty()).then_some(marker)
}

/// Objects below the commands of `text`. The output of other commands is passed over, unless there is no object at all:
/// then all of it is one region.
fn below_commands(text: &str, skip: usize) -> Vec<Region> {
    let mut found = Vec::new();
    // The first command since the last object, and where what follows it begins.
    let mut open: Option<(usize, usize)> = None;
    let mut at = skip;
    let mut close = |open: &mut Option<(usize, usize)>, to: usize| {
        if let Some((command, from)) = *open
            && text.get(from..to).is_some_and(holds_object)
        {
            found.push(Region { from, to, shell: Shell::Command(command) });
            *open = None;
        }
    };
    for line in text.get(skip..).unwrap_or("").split_inclusive('\n') {
        if command(line).is_some() {
            close(&mut open, at);
            let first = open.map_or(at, |(command, _)| command);
            open = Some((first, at + line.len()));
        }
        at += line.len();
    }
    close(&mut open, text.len());
    if let (true, Some((command, _))) = (found.is_empty(), open) {
        found.push(Region { from: text.len(), to: text.len(), shell: Shell::Command(command) });
    }
    found
}

fn holds_object(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("apiVersion:") || line.starts_with("kind:"))
}

/// The command if `line` is one: behind a prompt, or of a known tool.
fn command(line: &str) -> Option<&str> {
    let line = line.trim_end();
    if let Some(command) = line.strip_prefix("$ ") {
        return (!command.trim().is_empty()).then_some(command.trim());
    }
    // Such as `user@host:~$ ` and `[root@host ~]# `.
    let prompt = line.find("$ ").or_else(|| line.find("# "));
    let behind = prompt.and_then(|at| Some((line.get(..at)?, line.get(at + 2..)?)));
    let command = behind.filter(|(prompt, _)| prompt.contains('@')).map_or(line, |(_, command)| command);
    let (tool, rest) = command.split_once(' ')?;
    // A key and its value are YAML.
    let is_yaml = rest.contains(": ") || rest.ends_with(':') || rest.starts_with(':');
    (TOOLS.contains(&tool) && !is_yaml).then_some(command)
}

/// The command at byte `at` of `source` stands before `chunk`, or instead of any object (MODEL-DOC-11).
pub(super) fn finding(at: usize, chunk: &Chunk<'_>, source: &str) -> Diagnostic {
    let between = source.get(at..chunk.start).unwrap_or("");
    let line = between.lines().next().unwrap_or("");
    let written: String =
        command(line).unwrap_or(line).chars().filter(|c| !c.is_control()).take(60).collect();
    let message = format!("`{written}` is a shell command, not YAML");
    let mut found = if chunk.text.is_empty() {
        Diagnostic::error("MODEL-DOC-11", FieldPath::new(), message)
            .help("give the text of the objects, not what a terminal shows of them")
    } else {
        Diagnostic::warning("MODEL-DOC-11", FieldPath::new(), message)
            .help("keep only the lines of the objects")
    };
    let lines = memchr::memchr_iter(b'\n', between.as_bytes()).count();
    let at = Position { line: chunk.line.saturating_sub(lines), column: 1, byte: at };
    found.span = Some(Span { start: at, end: at });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(&str, Shell)> {
        regions(text, 0).into_iter().map(|found| (&text[found.from..found.to], found.shell)).collect()
    }

    #[test]
    fn objects_below_commands_are_read_and_other_output_is_not_model_doc_11() {
        let text = "# copied\n$ kubectl get ns\nNAME  AGE\n$ kubectl get vs -o yaml\napiVersion: v1\nkind: A\n\
                    user@host:~$ kubectl delete -f a.yaml\ndeleted\nistioctl version\n$ cat b.yaml\nkind: B\n$ exit\n";
        let first = text.find("$ kubectl get ns").unwrap();
        let second = text.find("user@").unwrap();
        assert_eq!(
            parts(text),
            [("apiVersion: v1\nkind: A\n", Shell::Command(first)), ("kind: B\n", Shell::Command(second))]
        );
        assert_eq!(parts("$ kubectl get ns\nNAME  AGE\n"), [("", Shell::Command(0))]);
    }

    #[test]
    fn what_is_no_transcript_is_read_as_a_whole_model_doc_11() {
        for text in [
            "",
            "a: 1\n$ kubectl get vs\nkind: A\n",
            "cat: 1\n",
            "kubectl apply: x\n",
            "cats and dogs\n",
            "$ \n",
        ] {
            assert_eq!(parts(text), [(text, Shell::No)], "{text}");
        }
    }

    #[test]
    fn commands_model_doc_11() {
        for (line, want) in [
            ("$ ls -l", Some("ls -l")),
            ("kubectl apply -f x.yaml\r\n", Some("kubectl apply -f x.yaml")),
            ("[root@node ~]# istioctl analyze", Some("istioctl analyze")),
            ("root@node:/# helm template .", Some("helm template .")),
            ("user@host:~$ ls", None),
            ("kubectl", None),
            ("  kubectl get vs", None),
            ("# kubectl get vs", None),
            ("oc : x", None),
            ("name: a@b $ kubectl", None),
        ] {
            assert_eq!(command(line), want, "{line}");
        }
    }
}
