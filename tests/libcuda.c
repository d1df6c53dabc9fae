/* A libcuda that drives no GPU: what engine/backends/cuda.py calls, with the driver's own
 * signatures, so that NVIDIA's real cuda-bindings can be called without one. Memory of the "GPU" is
 * the host's. What is queued is done when the stream is waited for, and not before. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
       NOT_FOUND = 500, CAPTURE_UNSUPPORTED = 900 };
enum { MEMORY = 64 << 20, MOST = 64 };

typedef struct { void *to; const void *from; size_t count; } Copy;
typedef struct { Copy copies[MOST]; int count; } Graph;
typedef struct { Graph queue, *recording; } Stream;

static size_t taken;
static int contexts, context;
static _Thread_local void *current;

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
int cuDriverGetVersion(int *version) { return *version = 13000, OK; }
int cuDeviceGetCount(int *count) { return *count = 1, OK; }
int cuDeviceGet(int *device, int index) { return index ? 101 : (*device = 0, OK); }
int cuDeviceGetName(char *name, int length, int device) {
    return strncpy(name, "NVIDIA of C", length), device;
}
int cuDeviceGetAttribute(int *value, int kind, int device) {
    return *value = kind == 75 ? 8 : kind == 76 ? 9 : -1, device; /* the compute capability */
}
int cuDevicePrimaryCtxRetain(void **found, int device) {
    return contexts++, *found = &context, device;
}
int cuDevicePrimaryCtxRelease(int device) {
    return !current && contexts-- > 0 ? device : INVALID_CONTEXT; /* else it stays, but is gone */
}
int cuCtxSetCurrent(void *wanted) {
    return !wanted || wanted == &context ? (current = wanted, OK) : INVALID_CONTEXT;
}
int cuGetErrorString(int code, const char **words) {
    return *words = code == OUT_OF_MEMORY ? "out of memory" : "another error", OK;
}

int cuMemGetInfo(size_t *left, size_t *all) { return *left = MEMORY - taken, *all = MEMORY, OK; }
int cuMemAlloc(uint64_t *address, size_t count) {
    if (!current) return INVALID_CONTEXT;
    if (taken + count > MEMORY) return OUT_OF_MEMORY;
    size_t *block = malloc(count + 64);
    taken += *block = count;
    return *address = (uint64_t)block + 64, OK;
}
int cuMemFree(uint64_t address) {
    size_t *block = (size_t *)(address - 64);
    return taken -= *block, free(block), OK;
}
int cuMemHostAlloc(void **address, size_t count, unsigned flags) {
    return flags || !current ? INVALID_VALUE : (*address = malloc(count), OK);
}
int cuMemFreeHost(void *address) { return free(address), OK; }

int cuStreamCreate(void **stream, unsigned flags) {
    return flags != 1 ? INVALID_VALUE : (*stream = calloc(1, sizeof(Stream)), OK); /* non-blocking */
}
int cuStreamDestroy(void *stream) { return free(stream), OK; }
static int add(Stream *stream, void *to, const void *from, size_t count) {
    Graph *to_add = stream->recording ? stream->recording : &stream->queue;
    return to_add->copies[to_add->count++] = (Copy){to, from, count}, OK;
}
int cuMemcpyHtoDAsync(uint64_t to, const void *from, size_t count, Stream *stream) {
    return add(stream, (void *)to, from, count);
}
int cuMemcpyDtoHAsync(void *to, uint64_t from, size_t count, Stream *stream) {
    return add(stream, to, (void *)from, count);
}
int cuStreamSynchronize(Stream *stream) {
    if (stream->recording) return CAPTURE_UNSUPPORTED;
    for (int i = 0; i < stream->queue.count; i++) {
        Copy *copy = &stream->queue.copies[i];
        memcpy(copy->to, copy->from, copy->count);
    }
    return stream->queue.count = 0, OK;
}

int cuStreamBeginCapture(Stream *stream, int mode) {
    if (mode != 1 || stream->recording) return INVALID_VALUE; /* of this thread */
    return stream->recording = calloc(1, sizeof(Graph)), OK;
}
int cuStreamEndCapture(Stream *stream, void **graph) {
    if (!stream->recording) return INVALID_HANDLE;
    *graph = stream->recording;
    return stream->recording = NULL, OK;
}
int cuGraphInstantiateWithFlags(void **made, Graph *graph, unsigned long long flags) {
    if (flags) return INVALID_VALUE;
    *made = malloc(sizeof(Graph));
    return memcpy(*made, graph, sizeof(Graph)), OK;
}
int cuGraphDestroy(Graph *graph) { return free(graph), OK; }
int cuGraphExecDestroy(Graph *graph) { return free(graph), OK; }
int cuGraphLaunch(Graph *graph, Stream *stream) {
    for (int i = 0; i < graph->count; i++) {
        Copy *copy = &graph->copies[i];
        add(stream, copy->to, copy->from, copy->count);
    }
    return OK;
}

int cuEventCreate(void **event, unsigned flags) {
    return flags ? INVALID_VALUE : (*event = malloc(1), OK);
}
int cuEventDestroy(void *event) { return free(event), OK; }
int cuEventRecord(void *event, void *stream) { return event && stream ? OK : INVALID_HANDLE; }
int cuEventElapsedTime(float *ms, void *first, void *last) {
    return first == last ? INVALID_HANDLE : (*ms = 0.25f, OK);
}

int cuGetProcAddress_v2(const char *name, void **found, int version, uint64_t flags, int *status) {
    if (!strcmp(name, "cuGraphInstantiate")) name = "cuGraphInstantiateWithFlags";
    *found = dlsym(RTLD_DEFAULT, name);
    if (status) *status = *found ? 0 : 1;
    return *found ? OK : NOT_FOUND;
}
int cuGetProcAddress(const char *name, void **found, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, found, version, flags, NULL);
}
