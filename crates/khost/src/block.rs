//! Block devices: image files (or real block devices), opened read-only while something is mounted from them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use uapi::Errno;

/// `kdev_t`: major number 7 (loop) in the upper bytes, as Linux 2.0 numbers files that stand for devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceNumber(pub u32);

/// The major number of all devices.
const LOOP_MAJOR: u32 = 7 << 8;

/// Most devices at a time.
const MAX_DEVICES: usize = 256;

/// An open device.
#[derive(Debug)]
pub struct Device {
    file: File,
    size: u64,
}

impl Device {
    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads at `offset` as much as there is; answers how many bytes, less than asked for only at the end.
    ///
    /// # Errors
    /// `EIO`.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0_usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(position) = u64::try_from(done).ok().and_then(|done| offset.checked_add(done)) else { break };
            match self.file.read_at(rest, position) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // An offset beyond what the host's files can have is beyond the end of this one.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => break,
                Err(_) => return Err(Errno::EIO),
            }
        }
        Ok(done)
    }
}

/// The open devices.
#[derive(Debug, Default)]
pub struct Devices {
    table: Mutex<BTreeMap<u32, Arc<Device>>>,
}

impl Devices {
    /// Opens an image.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`; `ENOTBLK` for what is neither a regular file nor a block device; `EIO`; `ENOMEM` for too many.
    pub fn open(&self, path: &Path) -> Result<DeviceNumber, Errno> {
        // Without O_NONBLOCK the open of a named pipe would wait for a writer.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
        let mut file = opened.map_err(|error| error.raw_os_error().and_then(Errno::from_number).unwrap_or(Errno::EIO))?;
        let kind = file.metadata().map_err(|_| Errno::EIO)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Errno::ENOTBLK);
        }
        let size = file.seek(SeekFrom::End(0)).map_err(|_| Errno::EIO)?;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_DEVICES {
            return Err(Errno::ENOMEM);
        }
        let number = (LOOP_MAJOR..).find(|number| !table.contains_key(number)).ok_or(Errno::ENOMEM)?;
        table.insert(number, Arc::new(Device { file, size }));
        Ok(DeviceNumber(number))
    }

    /// The device with this number.
    #[must_use]
    pub fn get(&self, number: DeviceNumber) -> Option<Arc<Device>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).get(&number.0).cloned()
    }

    /// Closes a device; reads under way end as they would have.
    pub fn close(&self, number: DeviceNumber) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(&number.0);
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::Devices;
    use std::io::Write;
    use uapi::Errno;

    #[test]
    fn an_image_is_read_to_its_end_and_no_further() {
        let mut image = tempfile::NamedTempFile::new().unwrap();
        image.write_all(&[7; 1000]).unwrap();
        let devices = Devices::default();
        let number = devices.open(image.path()).unwrap();
        let device = devices.get(number).unwrap();
        let mut buffer = [0; 512];
        assert_eq!((device.size(), device.read(0, &mut buffer)), (1000, Ok(512)));
        assert_eq!(device.read(900, &mut buffer), Ok(100));
        assert_eq!(device.read(1000, &mut buffer), Ok(0));
        assert_eq!(device.read(u64::MAX, &mut buffer), Ok(0));
        devices.close(number);
        assert!(devices.get(number).is_none());
        assert_eq!(devices.open(image.path()), Ok(number), "the number is free again");
    }

    #[test]
    fn what_is_no_device_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let devices = Devices::default();
        assert_eq!(devices.open(directory.path()), Err(Errno::ENOTBLK));
        assert_eq!(devices.open(&directory.path().join("absent")), Err(Errno::ENOENT));
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(devices.open(&pipe), Err(Errno::ENOTBLK));
        assert_eq!(devices.count(), 0);
    }
}
