//! The second embedder, `examples/handlers.rs`: a server whose request handlers are modules.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use testkit::modules::Recipe;
use testkit::{eventually, workspace};
use uapi::{Client, ProcFile};

struct Handlers {
    server: Child,
    folder: TempDir,
}

impl Handlers {
    /// Starts the server on a folder with these handlers.
    fn start(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let source = workspace().join("examples/handlers").join(format!("{name}.c"));
            Recipe::file(&source).build_into(folder.path()).unwrap_or_else(|error| panic!("{error}"));
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let server = Command::new(program())
            .arg(folder.path().join("server"))
            .arg(folder.path())
            .arg(folder.path().join("kernel"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let handlers = Self { server, folder };
        eventually("the server listens", || handlers.connect().is_some());
        handlers
    }

    fn connect(&self) -> Option<UnixStream> {
        UnixStream::connect(self.folder.path().join("server")).ok()
    }

    /// The answer to a request.
    fn ask(&self, request: &str) -> String {
        let mut client = self.connect().expect("the server listens");
        writeln!(client, "{request}").expect("it reads");
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    /// The names of the loaded handlers, by the kernel's own system calls.
    fn loaded(&self) -> Vec<String> {
        let text =
            Client::connect(&self.folder.path().join("kernel")).and_then(|mut kernel| kernel.read(ProcFile::Modules)).expect("the kernel");
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        if self.server.kill().is_ok() {
            let _status = self.server.wait();
        }
    }
}

/// Builds the server.
fn program() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let built = cargo.current_dir(workspace()).args(["build", "--quiet", "-p", "kernel", "--example", "handlers"]).status();
    assert!(built.expect("cargo runs").success(), "the example does not build");
    let test = std::env::current_exe().expect("a running test has a file");
    let target =
        test.ancestors().find(|path| path.file_name().is_some_and(|name| name == "target")).expect("the test lies in a target folder");
    target.join("debug/examples/handlers")
}

#[test]
fn a_handler_comes_with_its_first_request_and_goes_when_idle() {
    let handlers = Handlers::start(&["upper", "count"]);
    assert_eq!(handlers.loaded(), Vec::<String>::new(), "nobody has asked yet");
    assert_eq!(handlers.ask("upper hello"), "HELLO");
    assert_eq!(handlers.loaded(), ["upper"], "only what was asked for");
    assert_eq!(handlers.ask("count"), "1");
    assert_eq!(handlers.ask("count"), "2", "it is still the same module");
    eventually("both are idle and gone", || handlers.loaded().is_empty());
    assert_eq!(handlers.ask("count"), "1", "it was loaded anew");
}

#[test]
fn a_first_request_by_many_clients_loads_once() {
    let handlers = Handlers::start(&["count"]);
    let mut answers: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| handlers.ask("count").parse().expect("a number"))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    answers.sort_unstable();
    assert_eq!(answers, (1..=16).collect::<Vec<u32>>(), "one module has counted them all");
}

#[test]
fn what_is_no_handler_is_an_error() {
    let handlers = Handlers::start(&["upper"]);
    for request in ["nosuch x", "../upper x", "", "upper/ x"] {
        let answer = handlers.ask(request);
        assert!(answer.starts_with("error: "), "{request}: {answer}");
    }
    assert_eq!(handlers.ask(&format!("upper {}", "x".repeat(5000))), "error: `upper` answers error -7");
    std::fs::write(handlers.folder.path().join("text.o"), "not an object").expect("a file");
    assert!(handlers.ask("text x").starts_with("error: "));
    assert_eq!(handlers.ask("upper still here"), "STILL HERE");
    assert_eq!(handlers.loaded(), ["upper"]);
}

#[test]
fn a_handler_that_crashes_is_reported_and_the_others_serve_on() {
    let handlers = Handlers::start(&["upper", "crash"]);
    let answer = handlers.ask("crash now");
    assert!(answer.starts_with("error: ") && answer.contains("crash"), "{answer}");
    assert!(handlers.log().contains("handle+0x"), "the log names the function: {}", handlers.log());
    assert!(handlers.ask("crash again").starts_with("error: "));
    assert_eq!(handlers.log().matches("handle+0x").count(), 1, "it is not run again");
    assert_eq!(handlers.ask("upper fine"), "FINE");
}
