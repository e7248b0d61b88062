//! The proxy's process.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Client, LogLine, PATIENCE, Response, World, eventually, get};

/// A running proxy; dropping it kills it.
pub(crate) struct Proxy {
    pub(crate) world: World,
    child: Child,
    stderr: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// A program that ended by itself.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Runs the program to its end.
    pub(crate) fn run(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // One that serves instead of ending must not hold up the test for ever. The output is small and fits the pipes.
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child").is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let in_time = child.try_wait().expect("a child").is_some();
        if !in_time {
            child.kill().expect("killed");
        }
        let output = child.wait_with_output().expect("an end");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(in_time, "{arguments:?} did not end: {output:?}");
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Sends a signal, such as `TERM`, through the shell: the standard library has no way of its own.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("a shell");
    assert!(sent.success(), "signal {name}");
}

impl Proxy {
    /// Starts the proxy and waits until it serves.
    pub(crate) fn start(world: World) -> Self {
        let log = world.directory.path().join("access.log");
        let admin = format!("127.0.0.1:{}", world.admin);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"));
        command.arg("run").arg("--config").arg(world.config()).arg("--access-log").arg(log);
        command.args(["--admin", &admin]).args(&world.arguments);
        if !world.arguments.iter().any(|argument| argument.starts_with("--concurrency")) {
            command.arg("--concurrency=2");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the proxy starts");
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let mut pipe = child.stderr.take().expect("a pipe");
        let written = Arc::clone(&stderr);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                written.lock().expect("no panic here").extend_from_slice(&chunk[..read]);
            }
        });
        let mut proxy = Self { world, child, stderr, reader: Some(reader) };
        eventually("the proxy is ready", || {
            if let Some(status) = proxy.child.try_wait().expect("a child") {
                panic!("the proxy ended with {status}: {}", proxy.stderr());
            }
            let mut admin = Client::try_connect(proxy.admin()).ok()?;
            admin.0.send(get("/ready")).ok()?;
            let response = admin.try_receive(false).ok()?;
            (response.status == 200).then_some(())
        });
        proxy
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.world.port))
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.world.admin))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// One request on a connection of its own.
    pub(crate) fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().exchange(request)
    }

    /// `GET` on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.exchange(get(path))
    }

    /// A request to the admin interface, `GET /ready` for example.
    pub(crate) fn ask_admin(&self, request: &str) -> Response {
        Client::connect(self.admin()).exchange(format!("{request} HTTP/1.1\r\nhost: admin\r\n\r\n"))
    }

    /// What the process has written to standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().expect("no panic there")).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.world.directory.path().join("access.log")
    }

    /// The whole access log as it is now. Lines are written within a second or two.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The access-log lines of the requests for `path`, once there are `count`.
    pub(crate) fn log_lines(&self, path: &str, count: usize) -> Vec<LogLine> {
        let lines = eventually(&format!("{count} lines about {path} are logged"), || {
            let lines: Vec<_> = self
                .log_text()
                .lines()
                .map(|line| LogLine::parse(line).unwrap_or_else(|| panic!("log line {line:?}")))
                .filter(|line| line.path == path)
                .collect();
            (lines.len() >= count).then_some(lines)
        });
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// The only access-log line about `path`.
    pub(crate) fn log_line(&self, path: &str) -> LogLine {
        self.log_lines(path, 1).remove(0)
    }

    /// Whether the process has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = eventually("the proxy ends", || self.child.try_wait().expect("a child"));
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic there");
        }
        status
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            use std::io::Write as _;
            let (stderr, log) = (self.stderr(), self.log_text());
            let _ = writeln!(
                std::io::stderr(),
                "--- standard error of the proxy\n{stderr}\n--- its access log\n{log}"
            );
        }
    }
}
