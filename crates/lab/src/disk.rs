//! Disk images for the lab: raw files, one of them with a boot sector that proves, without
//! any operating system, that a VM's firmware read it from the lent disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// The line the boot sector writes to the first serial port.
pub const BOOT_LINE: &str = "passthru: booted from the lent NVMe";

/// The exit code of a QEMU with `-device isa-debug-exit` whose VM ran the boot sector:
/// the device makes `value << 1 | 1` of the value written to it.
pub const BOOT_EXIT_CODE: i32 = ((BOOT_VALUE as i32) << 1) | 1;

/// What the boot sector writes to port 0x501.
const BOOT_VALUE: u8 = 0x10;

/// What is on a disk when L1 first sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Zeros.
    Empty,
    /// The boot sector, and pseudo-random data behind it.
    Bootable,
}

/// Writes a raw image of that size in MiB.
///
/// # Errors
/// When the file cannot be written.
pub fn create(path: &Path, mib: u64, content: Content) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let file = File::create(path)?;
        file.set_len(mib << 20)?;
        if content == Content::Bootable {
            let mut out = BufWriter::new(file);
            out.write_all(&boot_sector())?;
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
            for _ in 0..((mib << 20) - 512) / 8 {
                out.write_all(&noise.next().to_le_bytes())?;
            }
            out.flush()?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write the disk image {}", path.display()))
}

/// xorshift64: the same data every time, and nothing that compresses away or repeats.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// 512 bytes of real-mode code: print [`BOOT_LINE`] on the serial port, then leave QEMU
/// through isa-debug-exit.
pub fn boot_sector() -> [u8; 512] {
    #[rustfmt::skip]
    const CODE: [u8; 41] = [
        0xfa,                   //      cli
        0xfc,                   //      cld
        0x31, 0xc0,             //      xor  ax, ax
        0x8e, 0xd8,             //      mov  ds, ax
        0xbe, 0x29, 0x7c,       //      mov  si, 0x7c00 + 41: the text
        0xac,                   // next:lodsb
        0x84, 0xc0,             //      test al, al
        0x74, 0x12,             //      jz   done
        0x88, 0xc4,             //      mov  ah, al
        0xba, 0xfd, 0x03,       //      mov  dx, 0x3fd: line status
        0xec,                   // wait:in   al, dx
        0xa8, 0x20,             //      test al, 0x20: transmitter empty
        0x74, 0xfb,             //      jz   wait
        0x88, 0xe0,             //      mov  al, ah
        0xba, 0xf8, 0x03,       //      mov  dx, 0x3f8
        0xee,                   //      out  dx, al
        0xeb, 0xe9,             //      jmp  next
        0xb0, BOOT_VALUE,       // done:mov  al, value
        0xba, 0x01, 0x05,       //      mov  dx, 0x501
        0xee,                   //      out  dx, al
        0xf4,                   // halt:hlt
        0xeb, 0xfd,             //      jmp  halt
    ];
    let mut sector = [0; 512];
    sector[..CODE.len()].copy_from_slice(&CODE);
    let text = format!("{BOOT_LINE}\r\n\0");
    sector[CODE.len()..CODE.len() + text.len()].copy_from_slice(text.as_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
