/* SPDX-License-Identifier: MIT */
/* Bad configurations: each is refused with file, place, JSON path and rule. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "config/config.h"

/* Members of baremetal_vm, and the message behind "c.json:1:COLUMN: baremetal_vm". */
static const struct {
	const char *inside;
	const char *message;
} bad[] = {
	/* keys */
	{ "\"memroy\": \"1G\"", ".memroy: unknown key; did you mean \"memory\"?" },
	{ "\"banana\": 1", ".banana: unknown key" },
	{ "\"network.mode\": \"user\"", ".network.mode: unknown key" },
	{ "\"cleanup\": {\"verify\": true}", ".cleanup.verify: unknown key" },
	{ "\"cleanup\": {\"mod\": \"destroy\"}",
	  ".cleanup.mod: unknown key; did you mean \"mode\"?" },
	{ "\"mounts\": [{\"hots\": \"/a\"}]",
	  ".mounts[0].hots: unknown key; did you mean \"host\"?" },
	{ "\"gpu_passthrough\": {}", ".gpu_passthrough: \"mode\" is required (\"sriov\", " },
	{ "\"gpu_passthrough\": {\"gpu_vendor\": \"AMD\"}",
	  ".gpu_passthrough: \"mode\" is required" },
	/* types */
	{ "\"enabled\": \"yes\"", ".enabled: must be true or false, not \"yes\"" },
	{ "\"enabled\": 1", ".enabled: must be true or false, not 1" },
	{ "\"vcpus\": \"4\"", ".vcpus: must be a whole number from 1 to 4096, not \"4\"" },
	{ "\"vcpus\": 4.0", ".vcpus: must be a whole number from 1 to 4096, not 4.0" },
	{ "\"vcpus\": null", ".vcpus: must be a whole number from 1 to 4096, not null" },
	{ "\"memory\": 128", ".memory: must be a string such as \"128G\", not 128" },
	{ "\"base_image\": 5", ".base_image: must be a string, not 5" },
	{ "\"network\": \"user\"", ".network: must be an object, not \"user\"" },
	{ "\"network\": null", ".network: must be an object, not null" },
	{ "\"cleanup\": []", ".cleanup: must be an object, not []" },
	{ "\"timeouts\": 30", ".timeouts: must be an object, not 30" },
	{ "\"mounts\": {\"host\": \"/a\"}", ".mounts: must be a list of objects, not {" },
	{ "\"mounts\": [\"/a\"]", ".mounts[0]: must be an object, not \"/a\"" },
	{ "\"devices\": [null]", ".devices[0]: must be an object, not null" },
	{ "\"qemu_args\": \"-d int\"", ".qemu_args: must be a list of strings, not \"-d int\"" },
	{ "\"qemu_args\": [1]", ".qemu_args[0]: must be a string, not 1" },
	{ "\"retry\": {\"delay\": \"1\"}", ".retry.delay: must be a number from 0 to 3600" },
	/* ranges */
	{ "\"enabled\": false", ".enabled: must be true: this program only runs VMs" },
	{ "\"vcpus\": 0", ".vcpus: must be a whole number from 1 to 4096, not 0" },
	{ "\"vcpus\": -1", ".vcpus: must be a whole number" },
	{ "\"vcpus\": 4097", ".vcpus: must be a whole number" },
	{ "\"vcpus\": 4294967297", ".vcpus: must be a whole number" },
	{ "\"memory\": \"63M\"", ".memory: must be from 64M to 64T, not \"63M\"" },
	{ "\"memory\": \"65T\"", ".memory: must be from 64M to 64T, not \"65T\"" },
	{ "\"memory\": \"128GB\"",
	  ".memory: must be whole MiB, 128000000000 bytes are not: write "
	  "\"122070M\"" },
	{ "\"memory\": \"1.5G\"", ".memory: \"1.5G\" is not a size" },
	{ "\"memory\": \"lots\"", ".memory: \"lots\" is not a size" },
	{ "\"memory\": \"99999999999T\"", ".memory: \"99999999999T\" is too large" },
	{ "\"disk_size\": \"1M\"", ".disk_size: must be from 16M" },
	{ "\"disk_size\": \"16777217\"", ".disk_size: must be a multiple of 512 bytes" },
	{ "\"timeouts\": {\"boot\": 0}", ".timeouts.boot: must be a whole number from 1 to 86400" },
	{ "\"timeouts\": {\"ssh\": 86401}",
	  ".timeouts.ssh: must be a whole number from 1 to 86400" },
	{ "\"retry\": {\"tries\": 0}", ".retry.tries: must be a whole number from 1 to 100" },
	{ "\"retry\": {\"factor\": 0.5}", ".retry.factor: must be a number from 1 to 10" },
	{ "\"retry\": {\"delay\": 60}", ".retry.max_delay: must be at least delay (60), not 30" },
	{ "\"cleanup\": {\"timeout\": -5}", ".cleanup.timeout: must be a whole number" },
	{ "\"results\": {\"max_size\": \"0\"}", ".results.max_size: must be from 1 to" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_count\": 0}",
	  ".gpu_passthrough.gpu_count: must be a whole number from 1 to 64" },
	/* names of a fixed set */
	{ "\"hypervisor\": \"xen\"",
	  ".hypervisor: must be \"kvm\", \"tcg\" or \"auto\", not \"xen\"" },
	{ "\"hypervisor\": \"kvmm\"",
	  ".hypervisor: must be \"kvm\", \"tcg\" or \"auto\", not \"kvmm\"; "
	  "did you mean \"kvm\"?" },
	{ "\"hypervisor\": true", ".hypervisor: must be \"kvm\"" },
	{ "\"firmware\": \"efi\"", ".firmware: must be \"bios\", \"uefi\" or an object" },
	{ "\"firmware\": {}", ".firmware: \"code\" is required" },
	{ "\"firmware\": {\"code\": \"/c.fd\"}", ".firmware: \"vars\" is required" },
	{ "\"firmware\": {\"code\": 1}", ".firmware.code: must be a string" },
	{ "\"cleanup\": {\"mode\": \"keep\"}",
	  ".cleanup.mode: must be \"destroy\", \"preserve\" or" },
	{ "\"network\": {\"mode\": \"nat\"}",
	  ".network.mode: must be \"user\", \"bridge\" or \"tap\"" },
	{ "\"docker\": {\"install\": \"yes\"}", ".docker.install: must be \"auto\"" },
	{ "\"gpu_passthrough\": {\"mode\": \"all\"}", ".gpu_passthrough.mode: must be \"sriov\"" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_vendor\": \"ATI\"}",
	  ".gpu_passthrough.gpu_vendor: must be \"AMD\", \"NVIDIA\" or \"INTEL\", not \"ATI\"" },
	{ "\"hugepages\": \"4M\"",
	  ".hugepages: must be true, false, \"2M\" or \"1G\", not \"4M\"" },
	{ "\"hugepages\": 2", ".hugepages: must be true, false" },
	{ "\"numa_node\": -1", ".numa_node: must be from 0 to 1023, not -1" },
	{ "\"numa_node\": \"one\"", ".numa_node: must be a node number, \"auto\" or null" },
	{ "\"cpu_pinning\": true", ".cpu_pinning: must be \"none\", \"auto\" or a list" },
	{ "\"cpu_pinning\": []", ".cpu_pinning: must not be an empty list" },
	{ "\"cpu_pinning\": [0, 0]", ".cpu_pinning: host CPU 0 is there twice" },
	{ "\"cpu_pinning\": [-1]", ".cpu_pinning: host CPU numbers are from 0" },
	{ "\"cpu_pinning\": [\"0\"]", ".cpu_pinning: must be a list of host CPU numbers" },
	/* syntax of strings */
	{ "\"base_image\": \"\"", ".base_image: must not be empty" },
	{ "\"base_image\": \"-x\"", ".base_image: must not begin with '-'" },
	{ "\"base_image\": \"a\\nb\"", ".base_image: must not contain control characters" },
	{ "\"ssh_key\": \"~/.ssh/id\"", ".ssh_key: ~ is not expanded here" },
	{ "\"ssh_user\": \"a b\"", ".ssh_user: must be a login name" },
	{ "\"ssh_user\": \"-root\"", ".ssh_user: must be a login name" },
	{ "\"ssh_user\": \"\"", ".ssh_user: must be a login name" },
	{ "\"network\": {\"mode\": \"bridge\", \"bridge\": \"a-very-long-bridge\"}",
	  ".network.bridge: must be a network interface's name" },
	{ "\"network\": {\"mode\": \"tap\", \"tap\": \"../x\"}",
	  ".network.tap: must be a network" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"01:00\"]}",
	  ".gpu_passthrough.gpu_ids[0]: must be a PCI address" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"0000:01:20.0\"]}",
	  ".gpu_passthrough.gpu_ids[0]: must be a PCI address" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"0000:01:00.8\"]}",
	  ".gpu_passthrough.gpu_ids[0]: must be a PCI address" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"01:00.0\", \"0000:01:00.0\"]}",
	  ".gpu_passthrough.gpu_ids[1]: 0000:01:00.0 is there twice" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_architecture\": \"gfx 90\"}",
	  ".gpu_passthrough.gpu_architecture: must be 1 to 64 letters" },
	{ "\"devices\": [{\"address\": \"nvme0\"}]", ".devices[0].address: must be a PCI address" },
	{ "\"devices\": [{\"mode\": \"vfio\"}]", ".devices[0]: \"address\" is required" },
	{ "\"devices\": [{\"address\": \"01:00.0\", \"mode\": \"none\"}]",
	  ".devices[0].mode: must be \"vfio\", \"sriov\" or \"vgpu\"" },
	{ "\"devices\": [{\"address\": \"01:00.0\", \"num_vfs\": 2}]",
	  ".devices: [0]: num_vfs is for mode sriov" },
	{ "\"devices\": [{\"address\": \"01:00.0\", \"create_vfs\": 2}]",
	  ".devices: [0]: create_vfs is for mode sriov" },
	{ "\"devices\": [{\"address\": \"01:00.0\", \"mode\": \"sriov\", \"num_vfs\": 4, "
	  "\"create_vfs\": 2}]",
	  ".devices: [0]: create_vfs must be at least num_vfs (4), not 2" },
	{ "\"devices\": [{\"address\": \"01:00.0\", \"mode\": \"sriov\", \"vgpu_type\": \"x\"}]",
	  ".devices: [0]: vgpu_type is for mode vgpu" },
	{ "\"mounts\": [{\"host\": \"data\", \"guest\": \"/d\"}]",
	  ".mounts[0].host: must be an absolute path, not \"data\"" },
	{ "\"mounts\": [{\"host\": \"/a/../b\", \"guest\": \"/d\"}]",
	  ".mounts[0].host: must not contain \".\" or \"..\"" },
	{ "\"mounts\": [{\"host\": \"/a\", \"guest\": \"d\"}]",
	  ".mounts[0].guest: must be an absolute path" },
	{ "\"mounts\": [{\"host\": \"/a\", \"guest\": \"/\"}]", ".mounts[0].guest: must not be /" },
	{ "\"mounts\": [{\"host\": \"/a\", \"guest\": \"//proc//x\"}]",
	  ".mounts[0].guest: must not be /, /dev, /proc, /sys or below those" },
	{ "\"mounts\": [{\"host\": \"/a\"}]", ".mounts[0]: \"guest\" is required" },
	{ "\"mounts\": [{\"host\": \"/a\", \"guest\": \"/d\", \"readonly\": \"no\"}]",
	  ".mounts[0].readonly: must be true or false" },
	{ "\"results\": {\"collect\": [\"/etc/*\"]}",
	  ".results.collect[0]: must be relative to the workdir" },
	{ "\"results\": {\"collect\": [\"ok\", \"a/../../b\"]}",
	  ".results.collect[1]: must not contain \"..\"" },
	{ "\"docker\": {\"proxy\": \"proxy:3128\"}",
	  ".docker.proxy: must be an http:// or https://" },
	{ "\"docker\": {\"load\": [\"\"]}", ".docker.load[0]: must not be empty" },
	/* keys that contradict each other */
	{ "\"vcpus\": 4, \"cpu_pinning\": [0, 1]",
	  ".cpu_pinning: lists 2 host CPUs for 4 virtual CPUs" },
	{ "\"memory\": \"1025M\", \"hugepages\": \"2M\"",
	  ".memory: must be a multiple of the huge page size 2M" },
	{ "\"initrd\": \"/i\"", ".initrd: needs a kernel" },
	{ "\"append\": \"quiet\"", ".append: needs a kernel" },
	{ "\"network\": {\"mode\": \"bridge\"}", ".network.bridge: is required by mode bridge" },
	{ "\"network\": {\"bridge\": \"br0\"}", ".network.bridge: is for mode bridge only" },
	{ "\"network\": {\"tap\": \"t0\"}", ".network.tap: is for mode tap only" },
	{ "\"network\": {\"mode\": \"tap\", \"isolated\": true}",
	  ".network.isolated: contradicts mode bridge and tap" },
	{ "\"mounts\": [{\"host\": \"/a\", \"guest\": \"/d\"}, {\"host\": \"/b\", \"guest\": "
	  "\"/d/\"}]",
	  ".mounts: guest folder /d is there twice" },
	{ "\"gpu_passthrough\": {\"mode\": \"none\", \"gpu_count\": 1}",
	  ".gpu_passthrough.gpu_count: contradicts mode none" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"mtty\"]}",
	  ".gpu_passthrough.gpu_ids: must be PCI addresses such as \"0000:01:00.0\": a name "
	  "(\"mtty\") is for mode vgpu only" },
	{ "\"gpu_passthrough\": {\"mode\": \"vgpu\", \"gpu_ids\": [\"../mtty\"]}",
	  ".gpu_passthrough.gpu_ids[0]: must be a PCI address" },
	{ "\"gpu_passthrough\": {\"mode\": \"vgpu\", \"gpu_ids\": [\"mtty\", \"mtty\"]}",
	  ".gpu_passthrough.gpu_ids[1]: mtty is there twice" },
	{ "\"gpu_passthrough\": {\"mode\": \"none\", \"gpu_ids\": [\"01:00.0\"]}",
	  ".gpu_passthrough.gpu_ids: contradicts mode none" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"01:00.0\"], \"gpu_count\": 2}",
	  ".gpu_passthrough.gpu_count: is 2, but gpu_ids lists 1" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"num_vfs\": 2}",
	  ".gpu_passthrough.num_vfs: is for mode sriov and vgpu only" },
	{ "\"gpu_passthrough\": {\"mode\": \"sriov\", \"num_vfs\": 2, \"create_vfs\": 1}",
	  ".gpu_passthrough.create_vfs: must be at least num_vfs (2), not 1" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"vgpu_type\": \"nvidia-35\"}",
	  ".gpu_passthrough.vgpu_type: is for mode vgpu only" },
	{ "\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"01:00.0\"]}, \"devices\": "
	  "[{\"address\": \"0000:01:00.0\"}]",
	  ".devices: 0000:01:00.0 is in gpu_passthrough.gpu_ids too" },
	{ "\"devices\": [{\"address\": \"01:00.0\"}, {\"address\": \"0000:01:00.0\"}]",
	  ".devices: 0000:01:00.0 is there twice" },
	{ "\"docker\": {\"install\": \"script\"}", ".docker.script: is required" },
	{ "\"docker\": {\"install\": \"never\", \"script\": \"s\"}",
	  ".docker.script: contradicts install \"never\"" },
};

/* Whole texts, and the whole message. */
static const struct {
	const char *text;
	const char *message;
} bad_texts[] = {
	{ "", "c.json:1:1: expected a value, found the end of the text" },
	{ "[]", "c.json: must be an object ({...})" },
	{ "\"x\"", "c.json: must be an object ({...})" },
	{ "{\"baremetal_vm\": {}", "c.json:1:20: expected ',' or '}', found the end of the text" },
	{ "{\"baremetal_vm\": {},}", "c.json:1:20: comma before '}'" },
	{ "{'baremetal_vm': {}}", "c.json:1:2: expected a key in double quotes, found '" },
	{ "{\"baremetal_vm\": {\"vcpus\": 1,\n  \"vcpus\": 2}}",
	  "c.json:2:3: duplicate key \"vcpus\"" },
	{ "{\"baremetal_vm\": {}, \"baremetal_vm\": {}}",
	  "c.json:1:22: duplicate key \"baremetal_vm\"" },
	{ "{\"baremetal_vm\": true}", "c.json:1:2: baremetal_vm: must be an object, not true" },
	{ "{\"baremetal_vm\": null}", "c.json:1:2: baremetal_vm: must be an object, not null" },
	{ "{\"baremetal_vm\": {\n\"memory\": \"\xff\"}}", "c.json:2:12: byte 0xff is not UTF-8" },
	{ "{\"gpu_vendor\": 1}", "c.json:1:2: gpu_vendor: must be a string, not 1" },
	{ "{\"gpu_vendor\": \"ATI\"}",
	  "c.json:1:2: gpu_vendor: must be \"AMD\", \"NVIDIA\" or \"INTEL\", not \"ATI\"" },
	{ "{\"guest_os\": \"DOS\"}",
	  "c.json:1:2: guest_os: must be \"UBUNTU\" or \"CENTOS\", not \"DOS\"" },
	{ "{\"docker_env_vars\": [\"A=1\"]}",
	  "c.json:1:2: docker_env_vars: must be an object, not [\"A=1\"]" },
	{ "{\"docker_env_vars\": {\"A-B\": \"1\"}}",
	  "c.json:1:2: docker_env_vars: \"A-B\" is not a "
	  "variable's name (letters, digits and '_', no "
	  "digit first)" },
	{ "{\"docker_build_arg\": {\"A\": []}}",
	  "c.json:1:2: docker_build_arg: \"A\" must be a single value" },
	{ "{\"docker_mounts\": {\"/a\": 1}}",
	  "c.json:1:2: docker_mounts: \"/a\" must be a string" },
	{ "{\"tools\": {}}", "c.json:1:2: tools: must be a list, not {}" },
	{ "{\"timeout\": \"1\"}", "c.json:1:2: timeout: must be a number, not \"1\"" },
	{ "{\"debug\": 1}", "c.json:1:2: debug: must be true or false, not 1" },
	{ "{\"deploy\": \"local\"}", "c.json:1:2: deploy: must be an object, not \"local\"" },
	{ "{\"slurm\": {\"nodes\": 2}}",
	  "c.json:1:2: slurm: this program only runs VMs on this host; "
	  "that deployment is madengine's" },
	{ "{\"slurm\": {\"nodes\": 2}, \"k8s\": {\"x\": 1}}",
	  "c.json:1:2: slurm: \"k8s\" and \"slurm\" exclude each other" },
	{ "{\"k8s\": {}, \"slurm\": {}}",
	  "c.json:1:13: slurm: \"k8s\" and \"slurm\" exclude each other" },
	{ "{\"kubernetes\": {}, \"slurm\": {}}",
	  "c.json:1:20: slurm: \"kubernetes\" and \"slurm\" exclude each other" },
	{ "{\"baremetal_vm\": {}, \"slurm\": {}}",
	  "c.json:1:2: baremetal_vm: \"slurm\" and \"baremetal_vm\" exclude each other" },
	{ "{\"baremetal_vm\": {}, \"k8s\": {}}",
	  "c.json:1:2: baremetal_vm: \"k8s\" and \"baremetal_vm\" exclude each other" },
};

static int parse(struct config *cfg, const char *text, struct error *err)
{
	struct config_source file = { .name = "c.json", .text = text, .len = strlen(text) };

	config_init(cfg);
	return config_parse(cfg, &file, NULL, err);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

Test(bad_config, names_place_path_and_rule)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_CONFIG struct config cfg;
		AUTO_FREE char *text = NULL;
		struct error err = ERROR_INIT;
		const char *path;

		cr_assert_gt(asprintf(&text, "{\"baremetal_vm\": {%s}}", bad[i].inside), 0);
		cr_expect_eq(parse(&cfg, text, &err), -EINVAL, "passed: %s", bad[i].inside);
		path = strstr(err.msg, "baremetal_vm");
		cr_expect(begins(err.msg, "c.json:1:"), "%s: %s", bad[i].inside, err.msg);
		cr_expect(path != NULL && begins(path + strlen("baremetal_vm"), bad[i].message),
			  "%s\n  gave: %s\n  want: %s", bad[i].inside, err.msg, bad[i].message);
	}
	cr_assert_geq(ARRAY_SIZE(bad), 60);
}

Test(bad_config, refuses_whole_texts)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++) {
		AUTO_CONFIG struct config cfg;
		struct error err = ERROR_INIT;

		cr_expect_eq(parse(&cfg, bad_texts[i].text, &err), -EINVAL, "passed: %s",
			     bad_texts[i].text);
		cr_expect_str_eq(err.msg, bad_texts[i].message, "%s\n  gave: %s", bad_texts[i].text,
				 err.msg);
	}
}

Test(bad_config, points_to_the_key_in_the_right_source)
{
	AUTO_CONFIG struct config cfg;
	struct config_source file = { .name = "f.json", .text = "{\n \"guest_os\": 7}", .len = 17 };
	struct config_source text = { .name = "-c", .allow_python = true };
	struct error err = ERROR_INIT;

	text.text = "{'baremetal_vm': {\n'mounts': [\n{'host': '/a',\n 'guest': 7}]}}";
	text.len = strlen(text.text);
	config_init(&cfg);
	cr_assert_eq(config_parse(&cfg, &file, &text, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "f.json:2:2: guest_os: must be a string, not 7");
	file.text = "{}";
	file.len = 2;
	cr_assert_eq(config_parse(&cfg, &file, &text, &err), -EINVAL);
	cr_assert_str_eq(err.msg,
			 "-c:4:2: baremetal_vm.mounts[0].guest: must be an absolute path, not 7");
}

Test(bad_config, cuts_what_it_quotes)
{
	AUTO_CONFIG struct config cfg;
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_gt(asprintf(&text, "{\"baremetal_vm\": {\"%05000d\": \"%05000d\"}}", 0, 0), 0);
	cr_assert_eq(parse(&cfg, text, &err), -EINVAL);
	cr_assert_lt(strlen(err.msg), 400);
	cr_assert_not_null(strstr(err.msg, "unknown key"), "%s", err.msg);
}
