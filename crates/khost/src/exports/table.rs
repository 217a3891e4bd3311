//! The export table of the hosted kernel: everything that modules can be linked against, and nothing else.

use super::{block, file_system, lock, memory, module, print, string, time};

/// A symbol for modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub address: u64,
    /// Its C prototype, as in `modules/include/module.h` without parameter names: what its checksum is made of.
    pub prototype: &'static str,
}

macro_rules! exports {
    ($($name:literal, $place:expr, $prototype:literal;)*) => {
        /// The table, in the order in which `ksyms -a` shows it.
        #[must_use]
        pub fn table() -> Vec<Export> {
            vec![$(Export { name: $name, address: address($place), prototype: $prototype }),*]
        }
    };
}

/// The address of a function or an object of this program.
fn address(place: *const ()) -> u64 {
    u64::try_from(place.expose_provenance()).unwrap_or(0)
}

exports! {
    "printk", print::printk as *const (), "int printk(const char *, ...)";
    "sprintf", print::sprintf as *const (), "int sprintf(char *, const char *, ...)";
    "snprintf", print::snprintf as *const (), "int snprintf(char *, size_t, const char *, ...)";
    "vsnprintf", print::vsnprintf as *const (), "int vsnprintf(char *, size_t, const char *, va_list)";
    "memcpy", string::memcpy as *const (), "void *memcpy(void *, const void *, size_t)";
    "memmove", string::memmove as *const (), "void *memmove(void *, const void *, size_t)";
    "memset", string::memset as *const (), "void *memset(void *, int, size_t)";
    "memcmp", string::memcmp as *const (), "int memcmp(const void *, const void *, size_t)";
    "bcmp", string::bcmp as *const (), "int bcmp(const void *, const void *, size_t)";
    "memchr", string::memchr as *const (), "void *memchr(const void *, int, size_t)";
    "strlen", string::strlen as *const (), "size_t strlen(const char *)";
    "strnlen", string::strnlen as *const (), "size_t strnlen(const char *, size_t)";
    "strcmp", string::strcmp as *const (), "int strcmp(const char *, const char *)";
    "strncmp", string::strncmp as *const (), "int strncmp(const char *, const char *, size_t)";
    "strcpy", string::strcpy as *const (), "char *strcpy(char *, const char *)";
    "strncpy", string::strncpy as *const (), "char *strncpy(char *, const char *, size_t)";
    "strcat", string::strcat as *const (), "char *strcat(char *, const char *)";
    "strchr", string::strchr as *const (), "char *strchr(const char *, int)";
    "strrchr", string::strrchr as *const (), "char *strrchr(const char *, int)";
    "strstr", string::strstr as *const (), "char *strstr(const char *, const char *)";
    "simple_strtoul", string::simple_strtoul as *const (), "unsigned long simple_strtoul(const char *, char **, unsigned int)";
    "__kmalloc", memory::kmalloc as *const (), "void *__kmalloc(size_t, int, long *)";
    "__kzalloc", memory::kzalloc as *const (), "void *__kzalloc(size_t, int, long *)";
    "kfree", memory::kfree as *const (), "void kfree(const void *)";
    "request_module", module::request_module as *const (), "int request_module(const char *)";
    "get_module_symbol", module::get_module_symbol as *const (), "void *get_module_symbol(const char *, const char *)";
    "register_symtab_from", module::register_symtab_from as *const (), "int register_symtab_from(struct symbol_table *, long *)";
    "jiffies", (&raw const time::JIFFIES).cast(), "volatile unsigned long jiffies";
    "get_seconds", time::get_seconds as *const (), "long get_seconds(void)";
    "msleep", time::msleep as *const (), "void msleep(unsigned int)";
    "in_interrupt", time::in_interrupt as *const (), "int in_interrupt(void)";
    "request_irq", time::request_irq as *const (), "int request_irq(unsigned int, irq_handler_t, unsigned long, const char *, void *)";
    "free_irq", time::free_irq as *const (), "void free_irq(unsigned int, void *)";
    "mutex_lock", lock::mutex_lock as *const (), "void mutex_lock(struct mutex *)";
    "mutex_unlock", lock::mutex_unlock as *const (), "void mutex_unlock(struct mutex *)";
    "bread", block::bread as *const (), "struct buffer_head *bread(kdev_t, u64, size_t)";
    "brelse", block::brelse as *const (), "void brelse(struct buffer_head *)";
    "block_read", block::block_read as *const (), "long block_read(kdev_t, u64, void *, size_t)";
    "block_size", block::block_size as *const (), "u64 block_size(kdev_t)";
    "register_filesystem", file_system::register_filesystem as *const (), "int register_filesystem(struct file_system_type *)";
    "unregister_filesystem", file_system::unregister_filesystem as *const (), "int unregister_filesystem(struct file_system_type *)";
}
