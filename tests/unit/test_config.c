/* SPDX-License-Identifier: MIT */
/* config: defaults, every configuration of the guide, merging, options over files. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "config/config.h"
#include "config/fields.h"

static int parse(struct config *cfg, const char *file, const char *text, struct error *err)
{
	struct config_source f = { .name = "conf.json", .text = file };
	struct config_source t = { .name = "-c", .text = text, .allow_python = true };

	config_init(cfg);
	f.len = file != NULL ? strlen(file) : 0;
	t.len = text != NULL ? strlen(text) : 0;
	return config_parse(cfg, file != NULL ? &f : NULL, text != NULL ? &t : NULL, err);
}

static void must_parse(struct config *cfg, const char *file, const char *text)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(parse(cfg, file, text, &err), 0, "%s", err.msg);
	cr_assert_eq(config_finish(cfg, &err), 0, "%s", err.msg);
}

static char *data(const char *folder, const char *name)
{
	AUTO_FREE char *path = path_join(folder, name);
	char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL, &err), 0, "%s", err.msg);
	return text;
}

Test(config, has_the_documented_defaults)
{
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, NULL, NULL);
	cr_assert(cfg.enabled);
	cr_assert_eq(cfg.hypervisor, HYPERVISOR_KVM);
	cr_assert_str_eq(cfg.base_image, "default");
	cr_assert_eq(cfg.vcpus, 32);
	cr_assert_eq(cfg.memory, 128 * SIZE_GIB);
	cr_assert_eq(cfg.disk_size, 100 * SIZE_GIB);
	cr_assert_str_eq(cfg.ssh_user, "root");
	cr_assert_null(cfg.ssh_key);
	cr_assert_eq(cfg.firmware, FIRMWARE_BIOS);
	cr_assert_eq(cfg.cpu_pinning, CPU_PINNING_NONE);
	cr_assert_eq(cfg.hugepages, 0);
	cr_assert_eq(cfg.numa_node, NUMA_NODE_NONE);
	cr_assert_eq(cfg.network.mode, NETWORK_USER);
	cr_assert_not(cfg.network.isolated);
	cr_assert_eq(cfg.gpu.mode, GPU_MODE_ABSENT);
	cr_assert_eq(cfg.gpu.num_vfs, 1);
	cr_assert_eq(cfg.docker.install, DOCKER_AUTO);
	cr_assert_eq(cfg.timeouts.unresponsive, 120);
	cr_assert_eq(cfg.retry.tries, 3);
	cr_assert_eq(cfg.retry.delay, 1.0);
	cr_assert_eq(cfg.retry.factor, 2.0);
	cr_assert_eq(cfg.retry.max_delay, 30.0);
	cr_assert_eq(cfg.cleanup.mode, CLEANUP_DESTROY);
	cr_assert(cfg.cleanup.verify_clean);
	cr_assert_eq(cfg.cleanup.timeout, 300);
	cr_assert_eq(cfg.results.max_size, 10 * SIZE_GIB);
	cr_assert_eq(cfg.explicit_keys.n, 0);
}

/* --- the guide -------------------------------------------------------------------------------- */

Test(config, reads_the_quick_start_of_the_guide)
{
	AUTO_FREE char *text = data(TEST_DATA "/config", "guide-file-1.json");
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, text, NULL);
	cr_assert_str_eq(cfg.base_image, "/var/lib/libvirt/images/ubuntu-22.04-rocm.qcow2");
	cr_assert_eq(cfg.gpu.mode, GPU_MODE_SRIOV);
	cr_assert_str_eq(cfg.gpu.gpu_vendor, "AMD");
	cr_assert_str_eq(cfg.gpu_vendor, "AMD");
	cr_assert_str_eq(cfg.guest_os, "UBUNTU");
	cr_assert(config_explicit(&cfg, "memory"));
	cr_assert(config_explicit(&cfg, "gpu_passthrough.mode"));
	cr_assert_not(config_explicit(&cfg, "disk_size"));
}

Test(config, reads_the_debug_example_of_the_guide)
{
	AUTO_FREE char *text = data(TEST_DATA "/config", "guide-file-4.json");
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, text, NULL);
	cr_assert_eq(cfg.cleanup.mode, CLEANUP_PRESERVE);
}

Test(config, reads_the_multi_gpu_example_of_the_guide)
{
	AUTO_FREE char *text = data(TEST_DATA "/config", "guide-context-2.txt");
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, NULL, text);
	cr_assert_eq(cfg.vcpus, 64);
	cr_assert_eq(cfg.memory, 256 * SIZE_GIB);
	cr_assert_eq(cfg.gpu.gpu_ids.n, 4);
	cr_assert_str_eq(cfg.gpu.gpu_ids.v[3], "0000:04:00.0");
	cr_assert_str_eq(cfg.gpu.gpu_vendor, "AMD", "falls back to the top-level vendor");
	cr_assert_str_eq(json_str_or(cfg.context, "docker_gpus", ""), "all");
}

static size_t read_all_in(const char *folder)
{
	AUTO_CLOSEDIR DIR *dir = opendir(folder);
	size_t n = 0;
	struct dirent *e;

	cr_assert_not_null(dir);
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *text = NULL;
		AUTO_CONFIG struct config as_file, as_text;

		as_file = as_text = (struct config){ .numa_node = 0 };
		if (e->d_name[0] == '.' || strcmp(e->d_name, "mad-package") == 0)
			continue;
		text = data(folder, e->d_name);
		must_parse(&as_file, text, NULL);
		must_parse(&as_text, NULL, text);
		n++;
	}
	return n;
}

Test(config, reads_every_configuration_of_the_guide)
{
	cr_assert_eq(read_all_in(TEST_DATA "/config"), 9);
}

Test(config, reads_every_example)
{
	AUTO_FREE char *package = data(SOURCE_ROOT "/examples/mad-package", "vm.json");
	AUTO_CONFIG struct config cfg;

	cr_assert_geq(read_all_in(SOURCE_ROOT "/examples"), 10);
	must_parse(&cfg, package, NULL);
}

Test(config, reads_the_three_examples_of_madengine_as_meant)
{
	AUTO_FREE char *nvidia = data(SOURCE_ROOT "/examples", "single-gpu-nvidia.json");
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, nvidia, NULL);
	cr_assert_eq(cfg.gpu.mode, GPU_MODE_VFIO);
	cr_assert_str_eq(cfg.gpu.gpu_vendor, "NVIDIA");
	cr_assert_str_eq(cfg.gpu.gpu_architecture, "sm_80");
}

/* --- values ----------------------------------------------------------------------------------- */

Test(config, reads_all_forms_of_a_value)
{
	AUTO_CONFIG struct config cfg;

	must_parse(
		&cfg,
		"{\"baremetal_vm\": {\"hypervisor\": \"auto\", \"memory\": \"1G\", \"hugepages\": "
		"true,"
		"\"firmware\": {\"code\": \"/c.fd\", \"vars\": \"/v.fd\"}, \"cpu_pinning\": [4, 6],"
		"\"numa_node\": null, \"network\": {\"isolated\": true}, \"ssh_key\": null,"
		"\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_vendor\": \"nvidia\","
		"  \"gpu_ids\": [\"C1:00.0\", \"10000:02:1f.7\"]},"
		"\"devices\": [{\"address\": \"0000:05:00.0\"}],"
		"\"mounts\": [{\"host\": \"//srv///data/\", \"guest\": \"/data/\"},"
		"  {\"host\": \"/x\", \"guest\": \"/y\", \"readonly\": false}],"
		"\"retry\": {\"delay\": 0.5, \"max_delay\": 10}, \"qemu_args\": [\"-d\", \"int\"],"
		"\"docker\": {\"script\": \"/s.sh\"}, \"results\": {\"collect\": [\"*.csv\"]}}}",
		NULL);
	cr_assert_eq(cfg.hypervisor, HYPERVISOR_AUTO);
	cr_assert_eq(cfg.hugepages, 2 * SIZE_MIB);
	cr_assert_eq(cfg.firmware, FIRMWARE_PATHS);
	cr_assert_str_eq(cfg.firmware_vars, "/v.fd");
	cr_assert_eq(cfg.vcpus, 2, "the default follows the pinning list");
	cr_assert_eq(cfg.pin_cpus[1], 6);
	cr_assert_eq(cfg.numa_node, NUMA_NODE_NONE);
	cr_assert_not(config_explicit(&cfg, "numa_node"));
	cr_assert_str_eq(cfg.gpu.gpu_vendor, "NVIDIA");
	cr_assert_str_eq(cfg.gpu.gpu_ids.v[0], "0000:c1:00.0");
	cr_assert_str_eq(cfg.gpu.gpu_ids.v[1], "10000:02:1f.7");
	cr_assert_eq(cfg.n_devices, 1);
	cr_assert_eq(cfg.devices[0].mode, GPU_MODE_VFIO);
	cr_assert_eq(cfg.n_mounts, 2);
	cr_assert_str_eq(cfg.mounts[0].host, "/srv/data");
	cr_assert_str_eq(cfg.mounts[0].guest, "/data");
	cr_assert(cfg.mounts[0].readonly);
	cr_assert_not(cfg.mounts[1].readonly);
	cr_assert_eq(cfg.retry.delay, 0.5);
	cr_assert_eq(cfg.docker.install, DOCKER_SCRIPT);
	cr_assert_str_eq(cfg.qemu_args.v[1], "int");
}

Test(config, reads_python_only_where_it_is_allowed)
{
	AUTO_CONFIG struct config cfg, other;
	static const char text[] =
		"{'baremetal_vm': {'vcpus': 2, 'ssh_key': None, 'enabled': True,}}";
	struct error err = ERROR_INIT;

	must_parse(&cfg, NULL, text);
	cr_assert_eq(cfg.vcpus, 2);
	cr_assert_eq(parse(&other, text, NULL, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "conf.json:1:2: expected a key in double quotes, found '");
}

Test(config, takes_an_empty_text_for_a_mistake)
{
	AUTO_CONFIG struct config a, b, c;
	struct error err = ERROR_INIT;

	cr_expect_eq(parse(&a, NULL, "", &err), -EINVAL);
	cr_expect_eq(parse(&b, "{}", " \n", &err), -EINVAL);
	cr_expect_not_null(strstr(err.msg, "expected a value"), "%s", err.msg);
	must_parse(&c, NULL, "{}");
	cr_assert_eq(c.explicit_keys.n, 0);
}

Test(config, keeps_keys_it_does_not_know_at_the_top)
{
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, "{\"my_key\": {\"a\": [1]}, \"gpu_vendr\": \"x\", \"vcpus\": 3}", NULL);
	cr_assert(json_object_object_get_ex(cfg.context, "my_key", NULL));
	cr_assert(json_object_object_get_ex(cfg.context, "gpu_vendr", NULL));
	cr_assert_eq(cfg.vcpus, 32);
}

Test(config, replaces_whole_top_level_keys_of_the_file)
{
	AUTO_CONFIG struct config cfg;

	must_parse(
		&cfg,
		"{\"baremetal_vm\": {\"vcpus\": 4, \"memory\": \"1G\"}, \"gpu_vendor\": \"AMD\"}",
		"{\"baremetal_vm\": {\"vcpus\": 8}, \"guest_os\": \"centos\"}");
	cr_assert_eq(cfg.vcpus, 8);
	cr_assert_eq(cfg.memory, 128 * SIZE_GIB, "the file's memory is gone");
	cr_assert_str_eq(cfg.gpu_vendor, "AMD");
	cr_assert_str_eq(cfg.guest_os, "CENTOS");
}

/* --- warnings: what log_warning() wrote --------------------------------------------------------
 */

static char *warnings_of(const char *file, const char *text)
{
	AUTO_CONFIG struct config cfg;
	char path[] = "/tmp/bmvm-test-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	char *out = NULL;

	cr_assert_geq(fd, 0);
	(void)fflush(stderr);
	cr_assert_geq(dup2(fd, STDERR_FILENO), 0);
	must_parse(&cfg, file, text);
	cr_assert_geq(dup2(saved, STDERR_FILENO), 0);
	(void)close(saved);
	(void)close(fd);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 16, &out, NULL, NULL), 0);
	(void)unlink(path);
	return out;
}

Test(config, warns_when_the_text_drops_keys_of_the_file)
{
	AUTO_FREE char *out = warnings_of("{\"baremetal_vm\": {\"vcpus\": 4, \"memory\": \"1G\"}}",
					  "{\"baremetal_vm\": {\"vcpus\": 8}}");

	cr_assert(strstr(out, "conf.json") != NULL && strstr(out, "dropped: memory\n") != NULL,
		  "%s", out);
}

Test(config, does_not_warn_when_nothing_is_dropped)
{
	AUTO_FREE char *out = warnings_of("{\"baremetal_vm\": {\"vcpus\": 4}, \"any\": 1}",
					  "{\"baremetal_vm\": {\"vcpus\": 8, \"memory\": \"1G\"}}");

	cr_assert_str_empty(out);
}

Test(config, warns_about_near_misses_at_the_top)
{
	AUTO_FREE char *a = warnings_of("{\"baremetal-vm\": {}}", NULL);
	AUTO_FREE char *b = warnings_of("{\"memory\": \"1G\"}", NULL);

	cr_assert(strstr(a, "did you mean \"baremetal_vm\"?") != NULL, "%s", a);
	cr_assert(strstr(b, "belongs into \"baremetal_vm\"") != NULL, "%s", b);
}

/* Looking for what was meant takes time for each key; a text of 400 000 took 13 s. */
Test(config, suggests_for_so_many_keys_only)
{
	AUTO_STRV struct strv keys = STRV_INIT;
	AUTO_FREE char *list = NULL, *text = NULL, *said = NULL;
	size_t n = 0;

	for (int i = 10; i < 50; i++)
		strv_addf(&keys, "\"model_args%d\": 1", i);
	list = strv_join(&keys, ", ");
	cr_assert(asprintf(&text, "{%s}", list) > 0);
	said = warnings_of(text, NULL);
	for (const char *p = said; (p = strstr(p, "did you mean")) != NULL; p++)
		n++;
	cr_assert_eq(n, 20, "%zu: %s", n, said);
}

/* --- options ---------------------------------------------------------------------------------- */

Test(config, sets_keys_by_their_type)
{
	AUTO_CONFIG struct config cfg;
	static const char *const pairs[][2] = {
		{ "vcpus", "6" },         { "memory", "512M" },
		{ "hypervisor", "tcg" },  { "hugepages", "2M" },
		{ "numa_node", "auto" },  { "network.isolated", "true" },
		{ "retry.delay", "1.5" }, { "cpu_pinning", "[0,1,2,3,4,5]" },
		{ "base_image", "12" },
	};

	must_parse(&cfg, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct error err = ERROR_INIT;

		cr_assert_eq(config_set(&cfg, pairs[i][0], pairs[i][1], "--x", &err), 0, "%s",
			     err.msg);
		cr_assert(config_explicit(&cfg, pairs[i][0]));
	}
	cr_assert_eq(cfg.vcpus, 6);
	cr_assert_eq(cfg.memory, 512 * SIZE_MIB);
	cr_assert_eq(cfg.hypervisor, HYPERVISOR_TCG);
	cr_assert_eq(cfg.numa_node, NUMA_NODE_AUTO);
	cr_assert(cfg.network.isolated);
	cr_assert_str_eq(cfg.base_image, "12");
	cr_assert_eq(cfg.n_pin_cpus, 6);
	cr_assert_eq(config_finish(&cfg, NULL), 0);
}

Test(config, appends_to_lists)
{
	AUTO_CONFIG struct config cfg;

	must_parse(&cfg, "{\"baremetal_vm\": {\"results\": {\"collect\": [\"a\"]}}}", NULL);
	cr_assert_eq(config_set(&cfg, "results.collect", "b/*", "--collect", NULL), 0);
	cr_assert_eq(cfg.results.collect.n, 2);
	cr_assert_str_eq(cfg.results.collect.v[1], "b/*");
}

Test(config, names_the_option_that_is_wrong)
{
	AUTO_CONFIG struct config cfg;
	struct error err = ERROR_INIT;

	must_parse(&cfg, NULL, NULL);
	cr_assert_eq(config_set(&cfg, "vcpus", "many", "--vcpus", &err), -EINVAL);
	cr_assert_str_eq(err.msg, "--vcpus: must be a whole number from 1 to 4096, not \"many\"");
	cr_assert_eq(config_set(&cfg, "nothing", "1", "--nothing", &err), -ENOENT);
	cr_assert_eq(config_set(&cfg, "network", "1", "--network", &err), -ENOENT);
	cr_assert_eq(config_set(&cfg, "mounts[].host", "/", "--x", &err), -ENOENT);
	cr_assert_eq(cfg.vcpus, 32);
	cr_assert_not(config_explicit(&cfg, "vcpus"));
}

Test(config, checks_rules_between_keys_again_after_options)
{
	AUTO_CONFIG struct config cfg;
	struct error err = ERROR_INIT;

	must_parse(&cfg, "{\"baremetal_vm\": {\"cpu_pinning\": [0, 1]}}", NULL);
	cr_assert_eq(config_set(&cfg, "vcpus", "3", "--vcpus", &err), 0);
	cr_assert_eq(config_finish(&cfg, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "baremetal_vm.cpu_pinning: lists 2 host CPUs for 3 virtual CPUs");
}

/* --- the table -------------------------------------------------------------------------------- */

Test(config, documents_every_key_once)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0, n = 0;
	FILE *out = open_memstream(&text, &len);
	const struct field *table = fields_table(&n);

	cr_assert_not_null(out);
	config_describe_markdown(out);
	(void)fclose(out);
	for (size_t i = 0; i < n; i++) {
		char cell[128];
		const char *at;

		(void)snprintf(cell, sizeof(cell), "\n| `%s` |", table[i].path);
		at = strstr(text, cell);
		cr_assert_not_null(at, "%s", table[i].path);
		cr_assert_null(strstr(at + 1, cell), "%s twice", table[i].path);
		cr_assert_null(strchr(table[i].help, '|'), "%s: '|' would break the table",
			       table[i].path);
	}
}

Test(config, describes_every_key_for_people)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0, n = 0;
	FILE *out = open_memstream(&text, &len);
	const struct field *table = fields_table(&n);

	cr_assert_not_null(out);
	config_describe(out);
	(void)fclose(out);
	for (size_t i = 0; i < n; i++) {
		char line[128];

		(void)snprintf(line, sizeof(line), "\n  %s: ", table[i].path);
		cr_assert_not_null(strstr(text, line), "%s", table[i].path);
	}
}

Test(config, tells_defaults)
{
	cr_assert_str_eq(config_default_text("vcpus"), "32");
	cr_assert_str_eq(config_default_text("memory"), "\"128G\"");
	cr_assert_null(config_default_text("ssh_key"));
	cr_assert_null(config_default_text("mounts"));
	cr_assert_null(config_default_text("gpu_passthrough.mode"));
	cr_assert_null(config_default_text("nothing"));
}
