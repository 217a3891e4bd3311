/* A driver that cannot start without its firmware. */
#include <linux/err.h>
#include <linux/firmware.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static struct platform_device *device;

static int __init firmware_init(void)
{
	const struct firmware *code;
	int error;

	device = platform_device_register_simple("firmware", -1, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	error = request_firmware(&code, "firmware-of-tests.bin", &device->dev);
	if (error) {
		platform_device_unregister(device);
		return error;
	}
	pr_info("firmware: %zu bytes\n", code->size);
	release_firmware(code);
	return 0;
}

static void __exit firmware_exit(void)
{
	platform_device_unregister(device);
}

module_init(firmware_init);
module_exit(firmware_exit);

MODULE_DESCRIPTION("Asks for firmware while it starts");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_ALIAS_FS("firmware");
MODULE_FIRMWARE("firmware-of-tests.bin");
