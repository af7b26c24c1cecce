/* SPDX-License-Identifier: MIT */
/* A throw-away working folder for tests of the books, and what stands in them. */
#ifndef BMVM_TESTS_HELPER_PERF_H
#define BMVM_TESTS_HELPER_PERF_H

#include <json-c/json.h>
#include <stddef.h>

struct performance;

#define PERF_HEADER                                                                                \
	"model,n_gpus,nnodes,gpus_per_node,training_precision,pipeline,args,tags,docker_file,"     \
	"base_docker,docker_sha,docker_image,git_commit,machine_name,deployment_type,launcher,"    \
	"gpu_architecture,performance,metric,relative_change,status,build_duration,"               \
	"test_duration,dataname,data_provider_type,data_size,data_download_duration,"              \
	"build_number,additional_docker_run_options"

/* A row as perf_record() makes it. */
#define PERF_ROW(model, performance, metric, status)                                               \
	model ",1,1,1,,,,,,,,,,,baremetal_vm,docker,," performance "," metric ",," status          \
	      ",,2.5,,,,,0,"

/** perf_folder_make() - For .init of a suite: the folder, open in perf_folder. */
void perf_folder_make(void);
/** perf_folder_drop() - For .fini of it. */
void perf_folder_drop(void);

extern int perf_folder;

/** perf_put() - Write a file of the folder. */
void perf_put(const char *name, const char *text);
/** perf_get() - Its text, "(none)" where there is none; owned. */
char *perf_get(const char *name);
/** perf_expect() - Fail the test unless this is its text. */
void perf_expect(const char *name, const char *text);
/** perf_folder_entries() - How many files the folder has. */
size_t perf_folder_entries(void);

/** perf_record() - The record of a model that ran 2.5 s on one GPU; owned. */
struct json_object *perf_record(const char *model, const struct performance *found,
				const char *status);
/** perf_list() - An array of just this, which is taken; owned. */
struct json_object *perf_list(struct json_object *record);

#define PERF_WRITERS     4
#define PERF_WRITER_ADDS 25

/** perf_run_writers() - So many processes at once that add so many times; @add returns 0 or -errno.
 */
void perf_run_writers(int (*add)(int writer, int i));

#endif
