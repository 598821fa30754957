// A tool for finding operators that read or write outside their tensors; not part of the addon:
//   LD_PRELOAD=packages/torch/build/libfence.so node packages/torch/dist/fuzz.test.child.js SEED 0 10000 /tmp/call
// Every tensor ends right before an inaccessible page, and its memory is never used again, so that the first wrong
// access ends the process; /tmp/call names the culprit. What lies between the end and that page, where the alignment
// leaves something, is looked at when the memory is freed: who has written there ends the process then. OpenBLAS reads
// (only reads) past the end of complex matrices: that is no finding.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
static const size_t kReserved = (size_t)1 << 42;
static const unsigned char kFill = 0x5b;
static char* base;
static size_t* sizeOf;  // bytes asked for, by the page that the allocation starts at
static atomic_size_t used;
static void (*systemFree)(void*);
static int (*systemMemalign)(void**, size_t, size_t);
static size_t (*systemUsableSize)(void*);

__attribute__((constructor)) static void reserve(void) {
  systemFree = dlsym(RTLD_NEXT, "free");
  systemMemalign = dlsym(RTLD_NEXT, "posix_memalign");
  systemUsableSize = dlsym(RTLD_NEXT, "malloc_usable_size");
  void* memory = mmap(0, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* table = mmap(0, kReserved / PAGE * sizeof(size_t), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || table == MAP_FAILED) return;
  sizeOf = table;
  base = memory;
}

static int isFenced(void* data) { return base && (char*)data >= base && (char*)data < base + kReserved; }

static size_t roundUp(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// libtorch and oneDNN allocate tensors and their scratch memory by this function; what asks for less alignment is left
// alone. Tensors, aligned to 64 bytes, are moved on to 16 so that they end nearer to the page.
int posix_memalign(void** out, size_t alignment, size_t size) {
  if (!systemMemalign) systemMemalign = dlsym(RTLD_NEXT, "posix_memalign");
  if (alignment < 64 || alignment > PAGE || !base || size == 0 || size > 1u << 28)
    return systemMemalign(out, alignment, size);
  const size_t bytes = roundUp(size, PAGE);
  const size_t start = atomic_fetch_add(&used, bytes + PAGE);
  if (start + bytes + PAGE > kReserved) return ENOMEM;
  if (mprotect(base + start, bytes, PROT_READ | PROT_WRITE)) return ENOMEM;
  sizeOf[start / PAGE] = size;
  memset(base + start, kFill, bytes);
  *out = base + start + bytes - roundUp(size, alignment == 64 ? 16 : alignment);
  return 0;
}

void free(void* data) {
  if (isFenced(data)) {
    char* start = base + ((char*)data - base) / PAGE * PAGE;
    const size_t size = sizeOf[(start - base) / PAGE], bytes = roundUp(size, PAGE);
    for (char* slack = (char*)data + size; slack < start + bytes; slack++) {
      if (*(unsigned char*)slack == kFill) continue;
      static const char message[] = "fence: written past the end\n";
      if (write(2, message, sizeof message - 1)) abort();
    }
    // Mapped anew, it becomes one mapping with its neighbours: the kernel allows some 65,000.
    mmap(start, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return;
  }
  if (!systemFree) systemFree = dlsym(RTLD_NEXT, "free");
  systemFree(data);
}

size_t malloc_usable_size(void* data) { return isFenced(data) || !systemUsableSize ? 0 : systemUsableSize(data); }
