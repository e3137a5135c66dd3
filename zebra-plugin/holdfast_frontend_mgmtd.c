/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_frontend.h. mgmtd has the commands (holdfast_mgmtd.c) and gives zebra, its backend,
 * what is ours with the rest. The other way round this zebra is one of mgmtd's clients: it asks
 * whether mgmtd has our module, and has `drain` put into the configuration.
 */
#include "zebra-plugin/compat.h"

#include "lib/mgmt_be_client.h"
#include "lib/mgmt_fe_client.h"

#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_nb.h"

#define XPATHS_MAX 64
#define SESSION 1 /* of ours with mgmtd, there is one */
/* Somebody else's lock of the configuration is waited for, and no longer than a file takes. */
#define DRAIN_RETRY_MS 200
#define DRAIN_TRIES_MAX 150
#define NO_MODULE                                                                                  \
	"mgmtd has no Holdfast module, and no commands: add -M mgmtd_holdfast to mgmtd_options in" \
	" /etc/frr/daemons, and restart FRR"

/* Of zebra/main.c; taken over by mgmt_be_client_create(), after modules were loaded. */
extern struct mgmt_be_client_cbs zebra_be_client_data;

static struct {
	holdfast_loop *loop;
	void (*stock_notify)(struct mgmt_be_client *client, uintptr_t user_data, bool connected);
	bool connected;	   /* mgmtd is there */
	bool delivers_all; /* and has given nothing yet */
	struct mgmt_fe_client *client;
	uint64_t session; /* 0: none yet */
	uint64_t request;
	bool lacks_module;
	bool drain;
	unsigned int drain_tries; /* left; 0: there is nothing to do */
	holdfast_event *t_drain;
} frontend;

/* Appends *own* to one of the lists of zebra_be_client_data, by a longer copy. */
static void xpath_append(const char *const **xpaths, unsigned int *count, const char **copy,
			 const char *own)
{
	if (*count >= XPATHS_MAX) {
		zlog_err("Holdfast: zebra asks mgmtd for more than was expected: no %s", own);
		return;
	}
	memcpy(copy, *xpaths, *count * sizeof(copy[0]));
	copy[*count] = own;
	*xpaths = copy;
	++*count;
}

static void backend_notify(struct mgmt_be_client *client, uintptr_t user_data, bool connected)
{
	frontend.connected = connected;
	frontend.delivers_all = connected;
	if (frontend.stock_notify)
		frontend.stock_notify(client, user_data, connected);
}

void holdfast_frontend_start(void)
{
	static const char *config[XPATHS_MAX], *state[XPATHS_MAX], *rpcs[XPATHS_MAX];
	struct mgmt_be_client_cbs *zebra = &zebra_be_client_data;

	xpath_append(&zebra->config_xpaths, &zebra->nconfig_xpaths, config, HOLDFAST_XPATH);
	xpath_append(&zebra->oper_xpaths, &zebra->noper_xpaths, state, HOLDFAST_XPATH);
	xpath_append(&zebra->rpc_xpaths, &zebra->nrpc_xpaths, rpcs, "/" HOLDFAST_MODEL_NAME);
	frontend.stock_notify = zebra->client_connect_notify;
	zebra->client_connect_notify = backend_notify;
}

bool holdfast_frontend_delivers_all(void)
{
	return frontend.delivers_all;
}

void holdfast_frontend_delivered(void)
{
	frontend.delivers_all = false;
}

const char *holdfast_frontend_unconfigured(void)
{
	if (!frontend.connected)
		return "Holdfast is not configured: zebra gets its configuration from mgmtd, which"
		       " does not run";
	if (frontend.lacks_module)
		return "Holdfast is not configured: " NO_MODULE;
	return "Holdfast is not configured: enter `holdfast` in configuration mode";
}

/* --- client of mgmtd --- */

static void drain_send(holdfast_event *event)
{
	frontend.drain_tries--;
	if (frontend.session &&
	    !mgmt_fe_send_edit_req(frontend.client, frontend.session, ++frontend.request,
				   MGMT_MSG_DATASTORE_RUNNING, LYD_JSON, EDIT_FLAG_IMPLICIT_LOCK,
				   NB_OP_MODIFY, HOLDFAST_XPATH "/drain",
				   frontend.drain ? "{\"" HOLDFAST_MODEL_NAME ":drain\": true}"
						  : "{\"" HOLDFAST_MODEL_NAME ":drain\": false}"))
		return;
	zlog_err("Holdfast: mgmtd is not there: RPC %s was not done",
		 frontend.drain ? "drain" : "undrain");
	frontend.drain_tries = 0;
}

static int edit_notify(struct mgmt_fe_client *client, uintptr_t user_data, uint64_t client_id,
		       uint64_t session, uintptr_t context, uint64_t request, const char *xpath,
		       int error, const char *text)
{
	if (request != frontend.request)
		return 0;
	if (!error) {
		frontend.drain_tries = 0;
	} else if (error == -EBUSY && frontend.drain_tries) {
		holdfast_add_timer_ms(frontend.loop, drain_send, NULL, DRAIN_RETRY_MS,
				      &frontend.t_drain);
	} else {
		zlog_err("Holdfast: RPC %s was not done: mgmtd: %s",
			 frontend.drain ? "drain" : "undrain", text ? text : "no reason");
		frontend.drain_tries = 0;
	}
	return 0;
}

static int get_tree_notify(struct mgmt_fe_client *client, uintptr_t user_data, uint64_t client_id,
			   uint64_t session, uintptr_t context, uint64_t request,
			   enum mgmt_ds_id datastore, LYD_FORMAT format, void *result, size_t size,
			   int partial_error)
{
	frontend.lacks_module = false;
	return 0;
}

static int error_notify(struct mgmt_fe_client *client, uintptr_t user_data, uint64_t client_id,
			uint64_t session, uintptr_t context, uint64_t request, int error,
			const char *text)
{
	frontend.lacks_module = true;
	zlog_err("Holdfast: %s (%s)", NO_MODULE, text ? text : "no reason");
	return 0;
}

/* A mgmtd that has the model can be asked for its data. */
static void session_notify(struct mgmt_fe_client *client, uintptr_t user_data, uint64_t client_id,
			   bool create, bool success, uintptr_t session, uintptr_t context)
{
	frontend.session = create && success ? session : 0;
	if (frontend.session &&
	    mgmt_fe_send_get_data_req(client, frontend.session, ++frontend.request,
				      MGMT_MSG_DATASTORE_RUNNING, LYD_JSON, GET_DATA_FLAG_CONFIG,
				      GET_DATA_DEFAULTS_EXPLICIT, HOLDFAST_XPATH))
		zlog_warn("Holdfast: mgmtd cannot be asked");
}

static void connect_notify(struct mgmt_fe_client *client, uintptr_t user_data, bool connected)
{
	frontend.lacks_module = false;
	if (connected && mgmt_fe_create_client_session(client, SESSION, 0) != MGMTD_SUCCESS)
		zlog_warn("Holdfast: no session with mgmtd");
}

void holdfast_frontend_init(holdfast_loop *loop)
{
	static struct mgmt_fe_client_cbs callbacks = {
		.client_connect_notify = connect_notify,
		.client_session_notify = session_notify,
		.edit_notify = edit_notify,
		.get_tree_notify = get_tree_notify,
		.error_notify = error_notify,
	};

	frontend.loop = loop;
	frontend.client = mgmt_fe_client_create("zebra_holdfast", &callbacks, 0, false, loop);
	if (!frontend.client)
		zlog_err("Holdfast: zebra is a client of mgmtd already: no RPC drain");
}

void holdfast_frontend_stop(void)
{
	holdfast_event_off(frontend.t_drain);
	if (frontend.client)
		mgmt_fe_client_destroy(frontend.client);
	frontend.client = NULL;
	frontend.session = 0;
}

/* mgmtd does not wait for what it is asked to do: the answer to the RPC comes before. */
int holdfast_frontend_drain(bool drain, char *errmsg, size_t errmsg_len)
{
	if (!frontend.session) {
		strlcpy(errmsg, "mgmtd, which has the configuration, is not there", errmsg_len);
		return NB_ERR;
	}
	frontend.drain = drain;
	frontend.drain_tries = DRAIN_TRIES_MAX;
	holdfast_event_off(frontend.t_drain);
	holdfast_add_event(frontend.loop, drain_send, NULL, 0, &frontend.t_drain);
	return NB_OK;
}
