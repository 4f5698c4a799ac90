#include "edge-agent/app/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace slicelet::agent {
namespace {

int Unmap(dl_phdr_info* info, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    // Writable ones hold relocations and data that exist nowhere else.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    // Failure costs memory and nothing else.
    if (end > begin) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // NOLINT
  }
  // The program itself comes first; the libraries' pages are shared with others.
  return 1;
}

}  // namespace

void GiveMemoryBack() {
  dl_iterate_phdr(Unmap, nullptr);
  malloc_trim(0);
}

}  // namespace slicelet::agent
