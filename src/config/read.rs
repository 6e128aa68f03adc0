//! Reads the configuration from where it is: a file, or a folder of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::Config;
use crate::config::build::build;
use crate::config::kubeconfig;
use crate::config::problem::{ConfigErrors, Problem};
use crate::config::rule::{Contexts, Surroundings};
use crate::config::secret::{Secret, SecretError};
use crate::domain::account::Limits;

/// Most files of a folder.
const FILES_MAX: usize = 1000;

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as problems name it.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The process's own environment and file system.
#[derive(Debug, Clone, Copy)]
pub struct Machine;

impl Surroundings for Machine {
    fn secret(&self, secret: &Secret) -> Result<(), SecretError> {
        secret.read().map(drop)
    }

    fn file(&self, path: &Path) -> Result<(), io::Error> {
        if File::open(path)?.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(())
    }

    fn value(&self, secret: &Secret) -> Option<SecretString> {
        secret.read().ok()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn contexts(&self, kubeconfig: Option<&Path>) -> Result<Contexts, String> {
        let kubeconfig = kubeconfig::read(kubeconfig).map_err(|error| error.to_string())?;
        let names = kubeconfig.contexts.into_iter().map(|context| context.name).collect();
        Ok(Contexts { names, current: kubeconfig.current_context })
    }
}

/// Reads and validates the configuration at `path`: a file, or a folder, of which every `*.yaml`
/// is read as if it were one file. Relative paths inside of it count from the working directory.
/// Every secret it names must be readable now. Blocks; all errors come at once.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    build(&read_files(path)?, &Machine)
}

/// The files behind `path`, in the order of their names.
pub fn read_files(path: &Path) -> Result<Vec<SourceFile>, ConfigErrors> {
    let paths = list(path).map_err(|error| unreadable(path, &error))?;
    match paths.len() {
        0 => return Err(failure(path, "there is no *.yaml in this folder".to_owned())),
        1..=FILES_MAX => {}
        count => {
            let message = format!("the folder has {count} files; at most {FILES_MAX} are read");
            return Err(failure(path, message));
        }
    }
    let mut files = Vec::with_capacity(paths.len());
    let mut problems = Vec::new();
    for path in paths {
        match read_file(&path) {
            Ok(content) => files.push(SourceFile { name: path.display().to_string(), content }),
            Err(error) => problems.extend(unreadable(&path, &error).problems),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(ConfigErrors { problems }) }
}

/// The file itself, or the `*.yaml` of the folder; what begins with a dot is left out, because a
/// mounted `ConfigMap` keeps its versions there.
fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden
            && path.extension().is_some_and(|extension| extension == "yaml")
            && path.is_file()
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // One byte beyond the bound is enough for the parser to refuse the file.
    let most = u64::try_from(Limits::default().file_bytes).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigErrors {
    failure(path, format!("cannot be read: {error}"))
}

fn failure(path: &Path, message: String) -> ConfigErrors {
    let file = path.display().to_string();
    ConfigErrors { problems: vec![Problem { file, line: None, key: String::new(), message }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_all_of_its_visible_yaml_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", ".hidden.yaml", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir(folder.path().join("c.yaml")).unwrap();
        let files = read_files(folder.path()).unwrap();
        let contents: Vec<_> = files.iter().map(|file| file.content.as_slice()).collect();
        assert_eq!(contents, [b"a.yaml", b"b.yaml"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read_files(folder.path()).unwrap_err().to_string();
        assert!(empty.ends_with(": there is no *.yaml in this folder"), "{empty}");
        let missing = read_files(&folder.path().join("x.yaml")).unwrap_err().to_string();
        assert!(missing.contains("x.yaml: cannot be read: "), "{missing}");
    }

    #[test]
    fn a_file_of_the_machine_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Machine.file(folder.path()).is_err());
        assert!(Machine.file(&folder.path().join("ca.pem")).is_err());
        std::fs::write(folder.path().join("ca.pem"), "x").unwrap();
        assert!(Machine.file(&folder.path().join("ca.pem")).is_ok());
    }

    #[test]
    fn a_kubeconfig_that_cannot_be_read_is_told_without_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let broken = "users: [{name: me, user: {\n  token: hunter2, username: {bad: 1}}}]";
        std::fs::write(&kubeconfig, broken).unwrap();
        let config = folder.path().join("headstay.yaml");
        let clusters = format!("clusters: [{{name: main, kubeconfig: {}}}]", kubeconfig.display());
        std::fs::write(&config, clusters).unwrap();
        let errors = load(&config).unwrap_err();
        let told = format!("{errors} {errors:?}");
        assert!(told.contains("clusters[0].kubeconfig: "), "{told}");
        assert!(told.contains("it is not a kubeconfig: see line 2"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
