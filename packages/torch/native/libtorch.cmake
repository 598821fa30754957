# What every native library here needs: libtorch's headers and libraries, OpenMP and the C++ standard. For inclusion:
# TORCH_INCLUDES (directories), TORCH_LIBRARIES, TORCH_LIBRARY_DIR.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "an unpacked libtorch; empty for the system's")

set(TORCH_HINTS ${LIBTORCH} /usr /usr/local)
find_path(TORCH_INCLUDE torch/library.h HINTS ${TORCH_HINTS} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_HINTS} PATH_SUFFIXES lib lib/x86_64-linux-gnu lib/aarch64-linux-gnu NO_DEFAULT_PATH)
find_library(C10_LIBRARY c10 HINTS ${TORCH_HINTS} PATH_SUFFIXES lib lib/x86_64-linux-gnu lib/aarch64-linux-gnu NO_DEFAULT_PATH)
if(LIBTORCH AND NOT TORCH_INCLUDE MATCHES "^${LIBTORCH}/")
  message(FATAL_ERROR "LIBTORCH=${LIBTORCH} has no include/torch/library.h: set it to an unpacked libtorch 1.13 or later")
endif()
if(NOT TORCH_INCLUDE OR NOT TORCH_CPU_LIBRARY OR NOT C10_LIBRARY)
  message(FATAL_ERROR "libtorch was not found: install Debian's libtorch-dev and libopenblas0-pthread, "
                      "or set LIBTORCH to an unpacked libtorch 1.13 or later")
endif()

# libtorch 2.10 and later need C++20; earlier ones are happy with 17.
# The version stands in torch/version.h, from 2.9 on in the header that it includes.
foreach(VERSION_HEADER torch/csrc/api/include/torch/version.h torch/headeronly/version.h)
  if(EXISTS "${TORCH_INCLUDE}/${VERSION_HEADER}")
    file(STRINGS "${TORCH_INCLUDE}/${VERSION_HEADER}" TORCH_VERSION_LINES REGEX "define TORCH_VERSION_(MAJOR|MINOR) [0-9]+")
    if(TORCH_VERSION_LINES)
      string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" TORCH_VERSION "${TORCH_VERSION_LINES}")
    endif()
  endif()
endforeach()
if(NOT TORCH_VERSION)
  message(FATAL_ERROR "the version of the libtorch at ${TORCH_INCLUDE} could not be read")
endif()
if(TORCH_VERSION VERSION_LESS 1.13)
  message(FATAL_ERROR "libtorch ${TORCH_VERSION} at ${TORCH_INCLUDE} is too old: 1.13 or later is needed")
endif()
message(STATUS "libtorch ${TORCH_VERSION} at ${TORCH_CPU_LIBRARY}")
if(TORCH_VERSION VERSION_GREATER_EQUAL 2.10)
  set(CMAKE_CXX_STANDARD 20)
else()
  set(CMAKE_CXX_STANDARD 17)
endif()
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# at::parallel_for stands in a header: without OpenMP its loops run on one thread.
find_package(OpenMP REQUIRED COMPONENTS CXX)

# g++ 13 takes the std::vector<bool> of libtorch 2.11's own headers for an overflow.
set(WARNINGS -Wall -Wextra -Werror -Wno-error=array-bounds)

# Checks name the file that they stand in: without the folders of this machine, so that a package names none.
add_compile_options(-fmacro-prefix-map=${TORCH_INCLUDE}/= -fmacro-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}/=)

set(TORCH_INCLUDES ${TORCH_INCLUDE} ${TORCH_INCLUDE}/torch/csrc/api/include)
set(TORCH_LIBRARIES ${TORCH_CPU_LIBRARY} ${C10_LIBRARY} OpenMP::OpenMP_CXX)
get_filename_component(TORCH_LIBRARY_DIR "${TORCH_CPU_LIBRARY}" DIRECTORY)

# Address and undefined-behaviour sanitizers: `make sanitize`. The first finding ends the process. libtorch hides the type
# information that the check of virtual calls needs.
option(PADNET_SANITIZE "compile for AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(PADNET_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
endif()
