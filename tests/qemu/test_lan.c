/* SPDX-License-Identifier: MIT */
/*
 * The second network card on real interfaces: each test has a network of its own, in which there is
 * a bridge "br0" without a port. QEMU really starts on what was made there.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "config/config.h"
#include "host/host.h"
#include "host/link.h"
#include "host/network.h"
#include "host/tap.h"
#include "host/vmdir.h"
#include "run/lan.h"
#include "run/undo.h"
#include "tests/qemu/helper_guest.h"

#define VM   "lan-test"
#define TAP  "bmvm-lan-test"
#define UUID "6f1c2a90-3b44-4d0e-9a51-0123456789ab"

static char home[64];
static struct host host = HOST_INIT;
static struct config cfg;
static struct vmdir vd;
static struct journal journal;
static struct lan lan = LAN_INIT;
static struct error err = ERROR_INIT;

/* ---- the world ---- */

/* ip WORD...: iproute2 in this network. Return: whether it succeeded. */
static bool ip(const char *word, ...)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct error why = ERROR_INIT;
	va_list args;

	strv_add(&argv, "ip");
	va_start(args, word);
	for (; word != NULL; word = va_arg(args, const char *))
		strv_add(&argv, word);
	va_end(args);
	if (process_check(argv.v, deadline_in_s(30), &why) == 0)
		return true;
	printf("%s\n", why.msg);
	return false;
}

static int folder(const char *name)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static char *text_of(const char *fmt)
{
	char *text = NULL;

	cr_assert_gt(asprintf(&text, "%s/%s", home, fmt), 0);
	return text;
}

static void make_host(void)
{
	(void)strcpy(home, "/tmp/bmvm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(home));
	host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	host.sys_fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	host.dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	host.run_fd = folder("run");
	close(folder("run/vms"));
	host.data_fd = folder("data");
	close(folder("data/vms"));
	host.run_dir = text_of("run");
	host.data_dir = text_of("data");
	host.is_root = true;
	(void)strcpy(host.boot_id, "11111111-2222-3333-4444-555555555555");
}

static void setup(void)
{
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		cr_skip("needs root and /dev/net/tun");
	if (unshare(CLONE_NEWNET) < 0 || !ip("link", "set", "lo", "up", NULL))
		cr_skip("needs a network of its own, and iproute2");
	if (!ip("link", "add", "br0", "type", "bridge", NULL))
		cr_skip("the kernel has no bridges");
	cr_assert(ip("link", "set", "br0", "up", NULL));
	make_host();
	vd = (struct vmdir)VMDIR_INIT;
	cr_assert_eq(vmdir_create(&host, VM, &vd, &err), 0, "%s", err.msg);
	cr_assert_eq(journal_open(vd.run_fd, host.boot_id, &journal, &err), 0, "%s", err.msg);
	config_init(&cfg);
	cfg.network.mode = NETWORK_BRIDGE;
	cfg.network.bridge = strdup("br0");
}

static void teardown(void)
{
	if (home[0] == '\0')
		return;
	lan_done(&lan);
	journal_close(&journal);
	vmdir_done(&vd);
	config_done(&cfg);
	host_done(&host);
	cr_expect_eq(file_remove_tree_at(AT_FDCWD, home, NULL), 0);
}

TestSuite(lan, .init = setup, .fini = teardown, .timeout = 120);

static void use_tap(const char *name)
{
	free(cfg.network.bridge);
	cfg.network.bridge = NULL;
	cfg.network.mode = NETWORK_TAP;
	free(cfg.network.tap);
	cfg.network.tap = name == NULL ? NULL : strdup(name);
}

static int open_lan(void)
{
	const struct lan_task task = {
		.host = &host, .cfg = &cfg, .vm = VM, .uuid = UUID, .journal = &journal
	};

	err = (struct error)ERROR_INIT;
	return lan_open(&lan, &task, &err);
}

static bool there(const char *name)
{
	struct link_state s;
	int r = link_get(name, &s, &err);

	cr_assert(r == 0 || r == -ENODEV, "%s", err.msg);
	return r == 0;
}

static struct link_state state_of(const char *name)
{
	struct link_state s;

	cr_assert_eq(link_get(name, &s, &err), 0, "%s", err.msg);
	return s;
}

static size_t n_ports(const char *bridge)
{
	AUTO_LINK_LIST struct link_list ports = { .v = NULL };

	cr_assert_eq(link_ports(state_of(bridge).index, &ports, &err), 0, "%s", err.msg);
	return ports.n;
}

static int undo(void)
{
	static const struct undo_how how;

	return undo_all(&host, &vd, &how, &err);
}

/* How many differences; their texts, one a line, in @text. */
static size_t differences(char *text, size_t size)
{
	AUTO_JSON struct json_object *list = json_new_array();

	lan_compare(&lan, list);
	(void)snprintf(text, size, "%s", json_compact(list));
	return json_object_array_length(list);
}

static void expect_clean(void)
{
	char text[1024];

	cr_expect_eq(differences(text, sizeof(text)), 0, "%s", text);
}

static bool journaled(const char *words)
{
	AUTO_FREE char *text = NULL;

	cr_assert_eq(file_read_at(vd.run_fd, "journal", 1 << 16, &text, NULL, NULL), 0);
	return strstr(text, words) != NULL;
}

/* ---- made ---- */

Test(lan, a_tap_is_made_on_the_bridge_and_goes_with_its_descriptor)
{
	struct link_state before = state_of("br0"), tap;
	AUTO_CLOSE int fd = open_lan();

	cr_assert_geq(fd, 0, "%s", err.msg);
	tap = state_of(TAP);
	cr_expect_str_eq(tap.kind, "tun");
	cr_expect(tap.tun.tap && tap.tun.vnet_hdr && !tap.tun.pi && !tap.tun.persist);
	cr_expect(tap.up);
	cr_expect_eq(tap.master, before.index);
	cr_expect_eq(tap.address[0], 0xfe);
	cr_expect_eq(n_ports("br0"), 1);
	cr_expect(journaled("\"op\":\"tap\"") && journaled(TAP));
	cr_expect_eq(memcmp(state_of("br0").address, before.address, 6), 0);
	close_fd(&fd);
	cr_expect_not(there(TAP));
	cr_expect_eq(undo(), 0, "%s", err.msg);
	cr_expect_eq(n_ports("br0"), 0);
	cr_expect_eq(memcmp(state_of("br0").address, before.address, 6), 0,
		     "a bridge without a port loses its address unless it was set");
	expect_clean();
}

Test(lan, qemu_starts_on_it_and_nothing_is_left_when_it_is_killed)
{
	struct guest g;
	char mac[VM_MAC_SIZE];
	int fd = open_lan();

	cr_assert_geq(fd, 0, "%s", err.msg);
	guest_init(&g);
	g.plan.lan_fd = vm_fds_add(&g.plan.fds, fd);
	g.plan.lan_mac = lan_mac(UUID, mac);
	g.plan.lan_mtu = lan.mtu;
	guest_start(&g);
	close_fd(&fd);
	guest_expect(&g, GUEST_HELLO);
	cr_expect(state_of(TAP).carrier);
	cr_expect_eq(n_ports("br0"), 1);
	cr_assert_eq(kill(g.qemu.process.pid, SIGKILL), 0);
	cr_expect_eq(guest_event(&g, NULL), VM_EVENT_GONE);
	cr_expect_not(there(TAP));
	cr_expect_eq(n_ports("br0"), 0);
	cr_expect_eq(undo(), 0, "%s", err.msg);
	expect_clean();
	guest_done(&g);
}

Test(lan, mode_tap_makes_one_that_is_on_no_bridge)
{
	AUTO_CLOSE int fd = -1;

	use_tap(NULL);
	fd = open_lan();
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect_eq(state_of(TAP).master, 0);
	cr_expect(state_of(TAP).up);
	close_fd(&fd);
	cr_expect_eq(undo(), 0);
	cr_expect_not(there(TAP));
	expect_clean();
}

/* A port with a low address, as a network card has; its MTU is 9000. */
static void add_port(void)
{
	cr_assert(ip("tuntap", "add", "dev", "port0", "mode", "tap", NULL));
	cr_assert(ip("link", "set", "port0", "address", "02:00:00:00:00:01", "mtu", "9000", NULL));
	cr_assert(ip("link", "set", "port0", "master", "br0", NULL));
}

Test(lan, a_bridge_with_large_frames_keeps_them)
{
	AUTO_CLOSE int fd = -1;
	struct link_state before;

	add_port();
	before = state_of("br0");
	cr_assert_eq(before.mtu, 9000);
	fd = open_lan();
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect_eq(state_of("br0").mtu, 9000);
	cr_expect_eq(state_of(TAP).mtu, 9000);
	cr_expect_eq(lan.mtu, 9000);
	cr_expect_eq(memcmp(state_of("br0").address, before.address, 6), 0);
	close_fd(&fd);
	cr_expect_eq(undo(), 0);
	cr_expect_eq(n_ports("br0"), 1);
	expect_clean();
}

/* ---- undone ---- */

/* Some process has inherited the descriptor and lives on. */
Test(lan, an_interface_that_outlived_its_vm_is_removed)
{
	int status;
	pid_t holder;
	int fd = open_lan();

	cr_assert_geq(fd, 0, "%s", err.msg);
	holder = fork();
	if (holder == 0) {
		(void)pause();
		_exit(0);
	}
	close_fd(&fd);
	cr_expect(there(TAP));
	cr_expect_eq(undo(), 0, "%s", err.msg);
	cr_expect_not(there(TAP));
	cr_expect_eq(n_ports("br0"), 0);
	expect_clean();
	cr_expect_eq(undo(), 0, "and again: %s", err.msg);
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, &status, 0);
}

Test(lan, whoever_makes_it_may_be_killed_at_any_moment)
{
	int gate[2], status;
	pid_t maker;
	char byte;

	cr_assert_eq(pipe(gate), 0);
	maker = fork();
	if (maker == 0) {
		int fd = open_lan();

		_exit(fd >= 0 && write(gate[1], "x", 1) == 1 && pause() == 0 ? 0 : 1);
	}
	close_fd(&gate[1]);
	cr_assert_eq(read(gate[0], &byte, 1), 1);
	cr_expect(there(TAP));
	cr_assert_eq(kill(maker, SIGKILL), 0);
	cr_assert_eq(waitpid(maker, &status, 0), maker);
	cr_expect_not(there(TAP));
	cr_expect_eq(undo(), 0, "%s", err.msg);
	cr_expect_eq(n_ports("br0"), 0);
	close_fd(&gate[0]);
}

Test(lan, an_interface_of_somebody_else_is_neither_used_nor_removed)
{
	struct link_state theirs;

	cr_assert(ip("tuntap", "add", "dev", TAP, "mode", "tap", NULL));
	theirs = state_of(TAP);
	cr_expect_eq(open_lan(), -EBUSY);
	cr_expect(strstr(err.msg, TAP " already") != NULL, "%s", err.msg);
	cr_expect(journaled("\"op\":\"tap\""), "the intent comes first");
	cr_expect_eq(undo(), 0, "%s", err.msg);
	cr_expect_eq(state_of(TAP).index, theirs.index);
	expect_clean();
}

/* ---- the user's own ---- */

static void make_own(void)
{
	cr_assert(ip("tuntap", "add", "dev", "tap7", "mode", "tap", NULL));
	use_tap("tap7");
}

Test(lan, a_tap_of_the_users_own_is_opened_and_left_as_it_was)
{
	AUTO_CLOSE int fd = -1;
	struct link_state before;

	make_own();
	cr_assert(ip("link", "set", "tap7", "up", NULL));
	before = state_of("tap7");
	fd = open_lan();
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect(state_of("tap7").carrier);
	cr_expect_eq(open_lan(), -EBUSY, "by now it is in use");
	cr_expect(strstr(err.msg, "network.tap: tap7 is in use") != NULL, "%s", err.msg);
	close_fd(&fd);
	cr_expect_not(journaled("tap7"), "nothing to undo");
	cr_expect_eq(undo(), 0);
	cr_expect_eq(state_of("tap7").index, before.index);
	cr_expect_not(state_of("tap7").tun.vnet_hdr, "as it was made");
	expect_clean();
}

Test(lan, a_tap_that_does_not_do_is_refused_with_the_way_out)
{
	struct link_state s;

	make_own();
	cr_expect_eq(network_tap(&host, &cfg, &s, &err), -ENETDOWN);
	cr_expect_str_eq(err.msg, "network.tap: tap7 is not set up");
	cr_expect_str_eq(err.hint, "ip link set tap7 up");
	cr_assert(ip("tuntap", "add", "dev", "tap8", "mode", "tap", "user", "4711", NULL));
	use_tap("tap8");
	host.is_root = false;
	host.uid = 4712;
	cr_expect_eq(network_tap(&host, &cfg, &s, &err), -EPERM);
	cr_expect_str_eq(err.msg, "network.tap: tap8 belongs to user 4711");
	use_tap("br0");
	cr_expect_eq(network_tap(&host, &cfg, &s, &err), -EINVAL);
	cr_expect_str_eq(err.msg, "network.tap: br0 is no tap interface");
	use_tap("tap9");
	cr_expect_eq(network_tap(&host, &cfg, &s, &err), -ENODEV);
	cr_expect_str_eq(err.hint,
			 "sudo ip tuntap add tap9 mode tap user $USER && sudo ip link set tap9 up");
}

/* ---- what a host lacks ---- */

Test(lan, a_bridge_that_is_none_is_refused_with_the_way_out)
{
	cfg.network.bridge[2] = '1';
	cr_expect_eq(network_check(&host, &cfg, &err), -ENODEV);
	cr_expect_str_eq(err.msg, "network.bridge: there is no interface br1");
	cr_expect_str_eq(err.hint, "ip link add br1 type bridge && ip link set br1 up");
	(void)strcpy(cfg.network.bridge, "lo");
	cr_expect_eq(network_check(&host, &cfg, &err), -EINVAL);
	cr_expect_str_eq(err.msg, "network.bridge: lo is no bridge");
	cr_expect_eq(open_lan(), -EINVAL, "looked at again before anything is made");
	cr_expect_not(journaled("\"op\":\"tap\""));
}

Test(lan, without_root_it_is_said_how_to_get_one)
{
	cr_expect_eq(network_check(&host, &cfg, &err), 0, "%s", err.msg);
	host.is_root = false;
	cr_expect_eq(network_check(&host, &cfg, &err), -EPERM);
	cr_expect(strstr(err.msg, "network.mode: \"bridge\" makes a network interface") != NULL,
		  "%s", err.msg);
	cr_expect(strstr(err.hint, "ip tuntap add") != NULL, "%s", err.hint);
}

/* ---- the comparison can fail ---- */

Test(lan, what_differs_afterwards_is_told)
{
	AUTO_CLOSE int fd = -1;
	char text[1024];

	add_port();
	fd = open_lan();
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect_eq(differences(text, sizeof(text)), 1, "the interface itself: %s", text);
	cr_expect(strstr(text, TAP) != NULL, "%s", text);
	close_fd(&fd);
	expect_clean();
	cr_assert(ip("link", "set", "br0", "mtu", "1400", "address", "02:00:00:00:00:99", NULL));
	cr_expect_eq(differences(text, sizeof(text)), 2, "%s", text);
	cr_expect(strstr(text, "interface br0 MTU") != NULL, "%s", text);
	cr_expect(strstr(text, "02:00:00:00:00:99") != NULL, "%s", text);
	cr_assert(ip("link", "set", "port0", "nomaster", NULL));
	expect_clean(); /* others are at work on it */
	cr_assert(ip("link", "del", "br0", NULL));
	cr_expect_eq(differences(text, sizeof(text)), 1, "%s", text);
}
