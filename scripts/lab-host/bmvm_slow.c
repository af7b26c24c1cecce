// SPDX-License-Identifier: MIT
/*
 * A driver that takes its time to let go of a device, and cannot be interrupted meanwhile, as drivers
 * of GPUs do that wait for their users. For QEMU's device "edu", which has no driver otherwise.
 *
 * It is loaded by name only: without an alias the device stays as it is until a test asks for it.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched.h>

static unsigned int seconds;
module_param(seconds, uint, 0644);
MODULE_PARM_DESC(seconds, "how long letting go takes");

static int bmvm_slow_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return pci_enable_device(dev);
}

static noinline void bmvm_slow_remove(struct pci_dev *dev)
{
	unsigned int left;

	for (left = seconds; left > 0; left--)
		schedule_timeout_uninterruptible(HZ);
	pci_disable_device(dev);
}

static const struct pci_device_id bmvm_slow_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ 0 },
};

static struct pci_driver bmvm_slow_driver = {
	.name = "bmvm_slow",
	.id_table = bmvm_slow_ids,
	.probe = bmvm_slow_probe,
	.remove = bmvm_slow_remove,
};
module_pci_driver(bmvm_slow_driver);

MODULE_DESCRIPTION("Lets go slowly");
MODULE_LICENSE("Dual MIT/GPL");
