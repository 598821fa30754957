// A tool for finding operators that read or write outside their tensors; not part of the addon:
//   cc -O1 -shared -fPIC -o /tmp/fence.so packages/torch/native/fence.c -ldl
//   LD_PRELOAD=/tmp/fence.so node packages/torch/dist/fuzz.test.child.js SEED 0 10000 /tmp/call
// Every tensor ends right before an inaccessible page, and its memory is never used again, so that the first wrong
// access ends the process; /tmp/call names the culprit. OpenBLAS reads (only reads) past the end of complex matrices,
// and after some 15,000 calls the kernel's limit of mappings is reached: both are no findings.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
static const size_t kReserved = (size_t)1 << 42;
static char* base;
static uint32_t* pagesOf;  // of the allocation that starts at a page, the inaccessible one included
static atomic_size_t used;
static void (*systemFree)(void*);
static int (*systemMemalign)(void**, size_t, size_t);
static size_t (*systemUsableSize)(void*);

__attribute__((constructor)) static void reserve(void) {
  systemFree = dlsym(RTLD_NEXT, "free");
  systemMemalign = dlsym(RTLD_NEXT, "posix_memalign");
  systemUsableSize = dlsym(RTLD_NEXT, "malloc_usable_size");
  void* memory = mmap(0, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* table = mmap(0, kReserved / PAGE * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || table == MAP_FAILED) return;
  pagesOf = table;
  base = memory;
}

static int isFenced(void* data) { return base && (char*)data >= base && (char*)data < base + kReserved; }

// libtorch allocates tensors by this function, 64-byte aligned; other callers are left alone.
int posix_memalign(void** out, size_t alignment, size_t size) {
  if (!systemMemalign) systemMemalign = dlsym(RTLD_NEXT, "posix_memalign");
  if (alignment != 64 || !base || size == 0 || size > 1u << 28) return systemMemalign(out, alignment, size);
  const size_t pages = (size + PAGE - 1) / PAGE + 1;
  const size_t start = atomic_fetch_add(&used, pages * PAGE);
  if (start + pages * PAGE > kReserved) return ENOMEM;
  if (mprotect(base + start, (pages - 1) * PAGE, PROT_READ | PROT_WRITE)) return ENOMEM;
  pagesOf[start / PAGE] = pages;
  *out = base + start + (pages - 1) * PAGE - ((size + 15) & ~(size_t)15);
  memset(*out, 0x5b, size);
  return 0;
}

void free(void* data) {
  if (isFenced(data)) {
    const size_t page = ((char*)data - base) / PAGE, bytes = (pagesOf[page] - 1) * PAGE;
    madvise(base + page * PAGE, bytes, MADV_DONTNEED);
    mprotect(base + page * PAGE, bytes, PROT_NONE);
    return;
  }
  if (!systemFree) systemFree = dlsym(RTLD_NEXT, "free");
  systemFree(data);
}

size_t malloc_usable_size(void* data) { return isFenced(data) || !systemUsableSize ? 0 : systemUsableSize(data); }
