//! A small server whose request handlers are modules: loaded at the first request that names them, unloaded when idle.
//!
//! ```text
//! cc -std=gnu11 -O2 -ffreestanding -fPIC -fvisibility=hidden -I modules/include -c examples/handlers/upper.c -o DIR/upper.o
//! cargo run -p kernel --example handlers -- DIR/server.sock DIR DIR/kernel.sock
//! echo 'upper hello' | nc -U DIR/server.sock        # answers HELLO
//! modutils lsmod --kernel DIR/kernel.sock           # the module list of this server
//! ```
//!
//! A request is a line: the name of a handler, a blank, and its text. The handler `NAME` is the function `handle` of the module `NAME.o`; it
//! answers with a line. Nothing here is `unsafe`: the kernel library links, maps, runs and removes the modules.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use kernel::{Kernel, Lifetime, Load, Oops};
use uapi::ModuleName;

/// Time between two idle passes. A handler that was not called between two of them is unloaded.
const IDLE: Duration = Duration::from_secs(1);

/// Bytes that an answer may have.
const ROOM: usize = 4096;

/// What the server offers to its handlers beside memcpy and memset, which compilers expect: the seconds since 1970.
extern "C" fn get_seconds() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs().cast_signed())
}

struct Server {
    kernel: Kernel,
    folder: PathBuf,
    /// One loader at a time: the others find what it has loaded.
    loading: Mutex<()>,
    /// Read while a handler is looked up and runs, written by the idle pass: so nothing is unloaded between the two.
    in_use: RwLock<()>,
}

impl Server {
    /// The address of a handler, whose module is loaded if it is not there.
    fn handler(&self, name: &ModuleName) -> Result<u64, String> {
        let find = || self.kernel.get_module_symbol(Some(name.as_str()), "handle");
        if let Some(address) = find() {
            return Ok(address);
        }
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if find().is_none() {
            let object = std::fs::read(self.folder.join(format!("{name}.o"))).map_err(|_| format!("no handler `{name}`"))?;
            let how = Load { lifetime: Lifetime::Autoclean, ..Load::named(name.as_str()) };
            self.kernel.load(&object, &how).map_err(|error| error.to_string())?;
        }
        find().ok_or_else(|| format!("`{name}` exports no function `handle`"))
    }

    /// The answer to a request.
    fn answer(&self, line: &str) -> Result<String, String> {
        let (name, text) = line.split_once(' ').unwrap_or((line, ""));
        let name = ModuleName::new(name).map_err(|error| error.to_string())?;
        let _stays = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        let handler = self.handler(&name)?;
        let mut reply = vec![0_u8; ROOM];
        let arguments = [text.as_ptr() as u64, text.len() as u64, reply.as_mut_ptr() as u64, reply.len() as u64, 0, 0];
        let length = self.kernel.call(handler, arguments).map_err(|fault| fault.to_string())?;
        reply.truncate(usize::try_from(length.cast_signed()).map_err(|_| format!("`{name}` answers error {}", length.cast_signed()))?);
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }

    /// Serves one client, line by line.
    fn serve(&self, client: &UnixStream) -> std::io::Result<()> {
        let mut writer = client;
        for line in BufReader::new(client).lines() {
            match self.answer(&line?) {
                Ok(reply) => writeln!(writer, "{reply}")?,
                Err(error) => writeln!(writer, "error: {error}")?,
            }
        }
        Ok(())
    }

    /// Unloads what is idle, for ever.
    fn idle(&self) {
        loop {
            std::thread::sleep(IDLE);
            let _nobody_calls = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
            let _open = self.kernel.autoclean();
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, folder, kernel_socket] = arguments.as_slice() else {
        return Err("usage: handlers SOCKET FOLDER KERNEL_SOCKET".into());
    };
    let kernel = Kernel::builder()
        .release("1.0-handlers")
        .export("get_seconds", get_seconds as *const () as u64, "long get_seconds(void)")
        .export("memcpy", libc::memcpy as *const () as u64, "void *memcpy(void *, const void *, size_t)")
        .export("memset", libc::memset as *const () as u64, "void *memset(void *, int, size_t)")
        .oops(Oops::Diagnose)
        .log(|_level, line| eprintln!("{line}"))
        .build()?;
    // For lsmod, ksyms, insmod and rmmod.
    let _system_calls = kernel.serve(Path::new(kernel_socket))?;
    let server = Arc::new(Server { kernel, folder: folder.into(), loading: Mutex::default(), in_use: RwLock::default() });
    let ticker = Arc::clone(&server);
    std::thread::spawn(move || ticker.idle());
    for client in UnixListener::bind(socket)?.incoming() {
        let (server, client) = (Arc::clone(&server), client?);
        std::thread::spawn(move || server.serve(&client));
    }
    Ok(())
}
