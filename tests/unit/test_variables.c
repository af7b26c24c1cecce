/* SPDX-License-Identifier: MIT */
/* Variables on their way into a container. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "workload/variables.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static void expect(const struct variables *vars, bool masked, const char *want)
{
	AUTO_JSON struct json_object *o = variables_object(vars, masked);

	cr_assert_str_eq(json_compact(o), want);
}

Test(variables, keep_their_first_place_and_their_last_value)
{
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT, more = VARIABLES_INIT;

	variables_set(&vars, "A", "1");
	variables_set(&vars, "B", "");
	variables_set(&vars, "A", "2");
	variables_set(&more, "C", "3");
	variables_set_secret(&more, "B", "x");
	variables_merge(&vars, &more);
	expect(&vars, false, "{\"A\":\"2\",\"B\":\"x\",\"C\":\"3\"}");
	expect(&vars, true, "{\"A\":\"2\",\"B\":\"" VARIABLES_MASK "\",\"C\":\"3\"}");
	cr_assert_str_eq(variables_get(&vars, "A"), "2");
	cr_assert_null(variables_get(&vars, "D"));
}

Test(variables, members_of_an_object_are_texts_as_python_writes_them)
{
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
	AUTO_JSON struct json_object *o =
		parse("{\"s\": \"a b\", \"t\": true, \"f\": false, \"n\": null, \"i\": -5, "
		      "\"d\": 1.5, \"HF_TOKEN\": \"x\"}");

	cr_assert(variables_set_object(&vars, "docker_env_vars", o, NULL) == 0);
	cr_assert(variables_set_object(&vars, "docker_env_vars", NULL, NULL) == 0);
	expect(&vars, true,
	       "{\"s\":\"a b\",\"t\":\"True\",\"f\":\"False\",\"n\":\"None\",\"i\":\"-5\","
	       "\"d\":\"1.5\",\"HF_TOKEN\":\"" VARIABLES_MASK "\"}");
}

Test(variables, bad_members_are_named)
{
	static const char *const table[][2] = {
		{ "{\"1a\": \"\"}", "e: \"1a\" is not" },
		{ "{\"\": \"\"}", "e: \"\" is not" },
		{ "{\"a-b\": \"\"}", "e: \"a-b\" is not" },
		{ "{\"a b\": \"\"}", "\"a b\"" },
		{ "{\"a\": [1]}", "e.a: must be a single" },
		{ "{\"a\": {}}", "e.a: must be" },
		{ "[\"a\"]", "e: must be an object" },
		{ "\"a\"", "e: must be an object" },
		{ "{\"a=b\": \"\"}", "e: \"a=b\" is not" },
		{ "{\"a\\n\": \"\"}", "is not" },
		{ "{\"\\u00e4\": \"\"}", "is not a variable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
		AUTO_JSON struct json_object *o = parse(table[i][0]);
		struct error err = ERROR_INIT;

		cr_assert_eq(variables_set_object(&vars, "e", o, &err), -EINVAL, "%s", table[i][0]);
		cr_assert(strstr(err.msg, table[i][1]) != NULL, "%s", err.msg);
	}
}

Test(variables, from_the_hosts_environment)
{
	static const char *const env[] = {
		"HOME=/root",      "MAD_SECRETS_HFTOKEN=abc", "xMAD_SECRETS=d=e",
		"NOT=MAD_SECRETS", "MAD_SECRETS_BROKEN",      "NCCL_DEBUG=INFO",
		"RANK=0",          "HIP_VISIBLE_DEVICES=4",   "NCCL_SOCKET_IFNAME=eno1",
		"WORLD_SIZE=",     "MY_MAD_SECRETS=host",     NULL
	};
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT;

	variables_set(&vars, "RANK", "7");
	variables_set(&vars, "MY_MAD_SECRETS", "mine");
	variables_set_secrets(&vars, (char *const *)env);
	variables_inherit(&vars, (char *const *)env);
	expect(&vars, false,
	       "{\"RANK\":\"7\",\"MY_MAD_SECRETS\":\"mine\",\"MAD_SECRETS_HFTOKEN\":\"abc\",\"xMAD_"
	       "SECRETS\":\"d=e\","
	       "\"WORLD_SIZE\":\"\",\"NCCL_DEBUG\":\"INFO\"}");
	variables_set(&vars, "HIP_VISIBLE_DEVICES", "0");
	variables_inherit(&vars, NULL);
	cr_assert_str_eq(variables_get(&vars, "RAY_EXPERIMENTAL_NOSET_HIP_VISIBLE_DEVICES"), "");
	cr_assert_str_eq(variables_environ((char *const *)env, "HOME"), "/root");
	cr_assert_null(variables_environ((char *const *)env, "HOM"));
	cr_assert_null(variables_environ((char *const *)env, "MAD_SECRETS_BROKEN"));
	cr_assert_null(variables_environ(NULL, "HOME"));
}

Test(variables, names_that_say_secret)
{
	static const char *const secret[] = { "MAD_SECRETS",
					      "MAD_SECRETS_X",
					      "AMAD_SECRETSX",
					      "HF_TOKEN",
					      "hf_token",
					      "HUGGING_FACE_HUB_TOKEN",
					      "AWS_SECRET_ACCESS_KEY",
					      "AWS_ACCESS_KEY",
					      "WANDB_API_KEY",
					      "DB_PASSWORD",
					      "PASSWORD_FILE",
					      "TOKEN",
					      "APIKEY",
					      "SECRET",
					      "X_SECRET_Y",
					      "SSH_PRIVATE_KEY" };
	static const char *const open[] = { "",          "A",          "TOKENIZERS_PARALLELISM",
					    "KEY",       "MAX_TOKENS", "PAD_TOKEN_ID",
					    "KEY_API",   "A_KEY",      "PASSES",
					    "SECRETARY", "_",          "__",
					    "BYPASS" };

	for (size_t i = 0; i < ARRAY_SIZE(secret); i++)
		cr_assert(variables_is_secret(secret[i]), "%s", secret[i]);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		cr_assert(!variables_is_secret(open[i]), "%s", open[i]);
}
