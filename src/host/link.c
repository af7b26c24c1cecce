/* SPDX-License-Identifier: MIT */
#include "host/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"

#define ANSWER_SECONDS 5
#define RECEIVE_SIZE   (1 << 16)
#define REQUEST_SIZE   512
#define DUMP_TRIES     5

/* ---- requests ---- */

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	char attributes[REQUEST_SIZE];
};

static void begin(struct request *q, uint16_t type, uint16_t flags, int index)
{
	*q = (struct request){
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			  .nlmsg_type = type,
			  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
			  .nlmsg_seq = 1 },
		.link = { .ifi_family = AF_UNSPEC, .ifi_index = index },
	};
}

/* What we send is small and of fixed number: there is always room. */
static void add(struct request *q, uint16_t type, const void *data, size_t len)
{
	struct rtattr head = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
	char *at = (char *)q + NLMSG_ALIGN(q->head.nlmsg_len);

	memcpy(at, &head, sizeof(head));
	memcpy(at + RTA_LENGTH(0), data, len);
	q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) + (uint32_t)RTA_ALIGN(head.rta_len);
}

static int open_netlink(struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };

	if (fd < 0)
		return error_errno(err, "netlink");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return error_errno(err, "netlink");
	return TAKE_FD(fd);
}

static const char *payload(const struct nlmsghdr *head)
{
	return (const char *)head + NLMSG_HDRLEN;
}

/* A message that describes an interface. Return: 0 or -errno, which ends the exchange. */
typedef int link_fn(void *data, const struct nlmsghdr *head);

struct answer {
	link_fn *each;
	void *data;
	bool interrupted; /* a list that changed while it was read */
};

/* Return: 1 the exchange is over; 0 more is to come; -errno. */
static int take_message(struct answer *a, const struct nlmsghdr *head)
{
	if ((head->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		a->interrupted = true;
	switch (head->nlmsg_type) {
	case NLMSG_DONE:
		return 1;
	case NLMSG_ERROR: {
		struct nlmsgerr e;

		if (head->nlmsg_len < NLMSG_LENGTH(sizeof(e)))
			return -EIO;
		memcpy(&e, payload(head), sizeof(e));
		return e.error == 0 ? 1 : e.error;
	}
	case RTM_NEWLINK:
		return a->each == NULL ? 0 : a->each(a->data, head);
	default:
		return 0;
	}
}

static int take_datagram(struct answer *a, const char *buf, size_t len)
{
	int r = 0;

	for (size_t at = 0; r == 0 && len - at >= sizeof(struct nlmsghdr);) {
		const struct nlmsghdr *head = (const void *)(buf + at);

		if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > len - at)
			return -EIO;
		r = take_message(a, head);
		at += NLMSG_ALIGN(head->nlmsg_len);
		if (at > len)
			break;
	}
	return r;
}

/* Return: 0; the kernel's -errno, or that of talking to it; the text is the caller's. */
static int exchange(const struct request *q, struct answer *a)
{
	AUTO_CLOSE int fd = open_netlink(NULL);
	AUTO_FREE char *buf = malloc(RECEIVE_SIZE);
	int r = 0;

	if (fd < 0)
		return fd;
	if (buf == NULL)
		return -ENOMEM;
	if (send(fd, q, q->head.nlmsg_len, 0) < 0)
		return -errno;
	while (r == 0) {
		ssize_t n = recv(fd, buf, RECEIVE_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		r = take_datagram(a, buf, (size_t)n);
	}
	return r < 0 ? r : 0;
}

/* ---- reading ---- */

#define ATTRIBUTES_MAX 64

/* Payload of one attribute; NULL: it is not there. */
struct attribute {
	const char *data;
	size_t len;
};

static void index_attributes(const char *at, size_t len, struct attribute *v)
{
	memset(v, 0, ATTRIBUTES_MAX * sizeof(*v));
	while (len >= sizeof(struct rtattr)) {
		struct rtattr head;
		unsigned int type;

		memcpy(&head, at, sizeof(head));
		if (head.rta_len < sizeof(head) || head.rta_len > len)
			return;
		type = head.rta_type & (uint16_t)NLA_TYPE_MASK;
		if (type < ATTRIBUTES_MAX)
			v[type] = (struct attribute){ at + RTA_LENGTH(0),
						      head.rta_len - RTA_LENGTH(0) };
		if (RTA_ALIGN(head.rta_len) >= len)
			return;
		at += RTA_ALIGN(head.rta_len);
		len -= RTA_ALIGN(head.rta_len);
	}
}

static uint32_t number(const struct attribute *a)
{
	uint32_t n = 0;

	if (a->data != NULL && a->len >= sizeof(n))
		memcpy(&n, a->data, sizeof(n));
	else if (a->data != NULL && a->len >= 1)
		n = (unsigned char)a->data[0];
	return n;
}

static void copy_text(const struct attribute *a, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%.*s", a->data == NULL ? 0 : (int)strnlen(a->data, a->len),
		       a->data == NULL ? "" : a->data);
}

static void read_tun(const struct attribute *data, struct link_tun *ret)
{
	struct attribute v[ATTRIBUTES_MAX];

	index_attributes(data->data, data->len, v);
	*ret = (struct link_tun){
		.tap = number(&v[IFLA_TUN_TYPE]) == IFF_TAP,
		.pi = number(&v[IFLA_TUN_PI]) != 0,
		.vnet_hdr = number(&v[IFLA_TUN_VNET_HDR]) != 0,
		.multi_queue = number(&v[IFLA_TUN_MULTI_QUEUE]) != 0,
		.persist = number(&v[IFLA_TUN_PERSIST]) != 0,
		.has_owner = v[IFLA_TUN_OWNER].data != NULL,
		.has_group = v[IFLA_TUN_GROUP].data != NULL,
		.owner = number(&v[IFLA_TUN_OWNER]),
	};
}

static void read_info(const struct attribute *info, struct link_state *ret)
{
	struct attribute v[ATTRIBUTES_MAX];

	if (info->data == NULL)
		return;
	index_attributes(info->data, info->len, v);
	copy_text(&v[IFLA_INFO_KIND], ret->kind, sizeof(ret->kind));
	if (strcmp(ret->kind, "tun") == 0 && v[IFLA_INFO_DATA].data != NULL)
		read_tun(&v[IFLA_INFO_DATA], &ret->tun);
}

static int read_link(const struct nlmsghdr *head, struct link_state *ret)
{
	struct attribute v[ATTRIBUTES_MAX];
	struct ifinfomsg link;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(link)))
		return -EIO;
	memcpy(&link, payload(head), sizeof(link));
	index_attributes(payload(head) + NLMSG_ALIGN(sizeof(link)),
			 head->nlmsg_len - NLMSG_SPACE(sizeof(link)), v);
	*ret = (struct link_state){
		.index = link.ifi_index,
		.mtu = number(&v[IFLA_MTU]),
		.master = (int)number(&v[IFLA_MASTER]),
		.up = (link.ifi_flags & IFF_UP) != 0,
		.carrier = number(&v[IFLA_CARRIER]) != 0,
	};
	copy_text(&v[IFLA_IFNAME], ret->name, sizeof(ret->name));
	if (v[IFLA_ADDRESS].data != NULL && v[IFLA_ADDRESS].len == LINK_ADDRESS_SIZE)
		memcpy(ret->address, v[IFLA_ADDRESS].data, LINK_ADDRESS_SIZE);
	read_info(&v[IFLA_LINKINFO], ret);
	return 0;
}

/* The answer to a question about one interface has no other end. */
static int take_one(void *data, const struct nlmsghdr *head)
{
	int r = read_link(head, data);

	return r < 0 ? r : 1;
}

int link_get(const char *name, struct link_state *ret, struct error *err)
{
	struct answer a = { .each = take_one, .data = ret };
	struct request q;
	int r;

	*ret = (struct link_state){ .index = 0 };
	if (strlen(name) >= LINK_NAME_SIZE)
		return error_set(err, ENODEV, "there is no interface %.40s", name);
	begin(&q, RTM_GETLINK, 0, 0);
	add(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = exchange(&q, &a);
	if (r == -ENODEV)
		return error_set(err, ENODEV, "there is no interface %s", name);
	if (r == 0 && ret->index <= 0)
		r = -EIO;
	return r < 0 ? error_set(err, -r, "ask for the interface %s: %s", name, strerror(-r)) : 0;
}

struct collection {
	int bridge;
	struct link_list *list;
};

static int collect_port(void *data, const struct nlmsghdr *head)
{
	struct collection *c = data;
	struct link_state one, *bigger;
	int r = read_link(head, &one);

	if (r < 0 || one.master != c->bridge)
		return r;
	bigger = reallocarray(c->list->v, c->list->n + 1, sizeof(*bigger));
	if (bigger == NULL)
		return -ENOMEM;
	c->list->v = bigger;
	bigger[c->list->n++] = one;
	return 0;
}

int link_ports(int bridge, struct link_list *ret, struct error *err)
{
	struct collection c = { .bridge = bridge, .list = ret };
	size_t before = ret->n;
	struct request q;
	int r = -EINTR;

	begin(&q, RTM_GETLINK, NLM_F_DUMP, 0);
	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		struct answer a = { .each = collect_port, .data = &c };

		ret->n = before;
		r = exchange(&q, &a);
		if (r == 0 && a.interrupted)
			r = -EINTR;
	}
	return r < 0 ? error_set(err, -r, "ask for the ports of a bridge: %s", strerror(-r)) : 0;
}

void link_list_done(struct link_list *list)
{
	free(list->v);
	*list = (struct link_list){ .v = NULL };
}

/* ---- changing ---- */

int link_set(int index, const struct link_change *change, struct error *err)
{
	struct answer a = { .each = NULL };
	struct request q;
	int r;

	begin(&q, RTM_NEWLINK, NLM_F_ACK, index);
	if (change->address != NULL)
		add(&q, IFLA_ADDRESS, change->address, LINK_ADDRESS_SIZE);
	if (change->mtu != 0)
		add(&q, IFLA_MTU, &change->mtu, sizeof(change->mtu));
	if (change->master != 0)
		add(&q, IFLA_MASTER, &change->master, sizeof(change->master));
	if (change->up) {
		q.link.ifi_flags = IFF_UP;
		q.link.ifi_change = IFF_UP;
	}
	r = exchange(&q, &a);
	return r < 0 ? error_set(err, -r, "set up a network interface: %s", strerror(-r)) : 0;
}

int link_delete(int index, struct error *err)
{
	struct answer a = { .each = NULL };
	struct request q;
	int r;

	begin(&q, RTM_DELLINK, NLM_F_ACK, index);
	r = exchange(&q, &a);
	return r < 0 ? error_set(err, -r, "remove a network interface: %s", strerror(-r)) : 0;
}

/* ---- addresses ---- */

const char *link_mac(const unsigned char *address, char *buf)
{
	(void)snprintf(buf, LINK_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", address[0], address[1],
		       address[2], address[3], address[4], address[5]);
	return buf;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

int link_mac_parse(const char *text, unsigned char *ret)
{
	unsigned char address[LINK_ADDRESS_SIZE];

	if (strlen(text) != LINK_MAC_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(address); i++) {
		const char *at = text + 3 * i;
		int high = hex_digit(at[0]), low = hex_digit(at[1]);

		if (high < 0 || low < 0 || at[2] != (i + 1 < sizeof(address) ? ':' : '\0'))
			return -EINVAL;
		address[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(ret, address, sizeof(address));
	return 0;
}
