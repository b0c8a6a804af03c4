//! Processes that hold what they are given until their input ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;

use super::{PAGE, Plot};
use crate::surroundings::Surrounding;

/// Strings come as lines of base64, so that no input buffer holds them as they are.
const PYTHON: &str = "import base64, sys
held = [base64.b64decode(line).decode('latin-1') for line in iter(sys.stdin.readline, '\\n')]
print('ready', flush=True)
sys.stdin.readline()
print(len(held))
";

const NODE: &str = "const lines = require('readline').createInterface({ input: process.stdin });
globalThis.held = [];
lines.on('line', (line) => {
  if (line) held.push(Buffer.from(line, 'base64').toString('latin1'));
  else console.log('ready');
});
";

const JAVA: &str = "import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Hold {
    static final List<String> held = new ArrayList<>();

    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
            held.add(new String(Base64.getDecoder().decode(line), StandardCharsets.ISO_8859_1));
        }
        System.out.println(\"ready\");
        in.readLine();
        System.out.println(held.size());
    }
}
";

/// Starts a process that holds a plot: `program hold`, or a runtime for surroundings that are its
/// strings. It is ready when this returns, and ends with its input.
///
/// # Errors
/// When the program cannot be started, or ends before it is ready.
pub fn start(
    program: &Path,
    runtime: Option<Surrounding>,
    plot: &Plot,
    folder: &Path,
) -> Result<Child> {
    let mut command = match runtime {
        None => {
            let mut command = Command::new(program);
            command.arg("hold").env_clear();
            command.args(plot.argv.iter().map(|text| OsString::from_vec(text.clone())));
            for (name, value) in &plot.environ {
                command.env(OsString::from_vec(name.clone()), OsString::from_vec(value.clone()));
            }
            command
        }
        Some(Surrounding::Node) => command_of("node", &["-e", NODE]),
        Some(Surrounding::Java) => {
            let path = folder.join("Hold.java");
            std::fs::write(&path, JAVA).context("cannot write the Java program")?;
            let mut command = command_of("java", &["-Xmx128m", "-XX:+UseSerialGC"]);
            command.arg(path);
            command
        }
        Some(_) => command_of("python3", &["-c", PYTHON]),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let input = child.stdin.as_mut().context("an input")?;
    if runtime.is_none() {
        input.write_all(&(plot.memory.len() as u64).to_le_bytes())?;
        input.write_all(&plot.memory)?;
    } else {
        for text in &plot.strings {
            writeln!(input, "{}", BASE64.encode(text))?;
        }
        writeln!(input)?;
    }
    input.flush()?;
    let mut answer = String::new();
    let output = child.stdout.take().context("an output")?;
    BufReader::new(output).read_line(&mut answer)?;
    ensure!(answer == "ready\n", "{} is not ready: {answer:?}", command.get_program().display());
    Ok(child)
}

fn command_of(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The part of a process that is started to hold memory: reads a length and so many bytes from its
/// input straight into memory that begins with a page, says so, and waits for the input to end.
///
/// # Errors
/// When its input ends early.
pub fn hold() -> Result<()> {
    // Past the buffer of the standard library, which would keep a copy.
    let mut input = std::fs::File::open("/proc/self/fd/0")?;
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length))?;
    let mut memory = vec![0_u8; length + PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    input.read_exact(memory.get_mut(start..start + length).context("the memory")?)?;
    let mut output = std::io::stdout();
    writeln!(output, "ready")?;
    output.flush()?;
    std::io::copy(&mut input, &mut std::io::sink())?;
    std::hint::black_box(&memory);
    Ok(())
}
