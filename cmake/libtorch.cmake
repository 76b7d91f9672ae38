# Wraps the libtorch folder LIBTORCH (a C++ distribution, or site-packages/torch) as the target `libtorch`.
# find_package(Torch) is not used: with a CUDA build it wants the whole CUDA toolkit just to link.
set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "libtorch, or the torch folder of a Python installation")
if(NOT EXISTS "${LIBTORCH}/include/ATen/ATen.h")
  message(FATAL_ERROR "No libtorch in LIBTORCH='${LIBTORCH}'. Run `npm run setup`, or pass -DLIBTORCH=FOLDER.")
endif()
set(LIBTORCH_LIB "${LIBTORCH}/lib")

set(version_file "${LIBTORCH}/include/torch/headeronly/version.h")
if(NOT EXISTS "${version_file}") # before 2.12 it lay elsewhere
  set(version_file "${LIBTORCH}/include/torch/csrc/api/include/torch/version.h")
endif()
file(READ "${version_file}" version_header)
foreach(part MAJOR MINOR PATCH)
  string(REGEX MATCH "TORCH_VERSION_${part} ([0-9]+)" _ "${version_header}")
  list(APPEND version_parts ${CMAKE_MATCH_1})
endforeach()
list(JOIN version_parts "." LIBTORCH_VERSION)
message(STATUS "libtorch ${LIBTORCH_VERSION} in ${LIBTORCH}")

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE "${LIBTORCH}/include"
                                                     "${LIBTORCH}/include/torch/csrc/api/include")
target_link_options(libtorch INTERFACE -Wl,--allow-shlib-undefined)
target_link_libraries(libtorch INTERFACE "${LIBTORCH_LIB}/libtorch_cpu.so" "${LIBTORCH_LIB}/libc10.so")

# at::parallel_for is a template: without OpenMP in our own code it is a plain loop. Linked is the OpenMP that libtorch
# brings along, under whatever name: a second one would have threads of its own, and not as many as it is told.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(libtorch INTERFACE -fopenmp)
  file(GLOB libtorch_gomp "${LIBTORCH_LIB}/libgomp*.so*")
  if(libtorch_gomp)
    list(GET libtorch_gomp 0 libtorch_gomp)
  else()
    set(libtorch_gomp gomp)
  endif()
  target_link_libraries(libtorch INTERFACE ${libtorch_gomp})
else()
  message(WARNING "Kernels of tongueforge will run on one thread: they need g++, whose OpenMP is that of libtorch.")
endif()

set(LIBTORCH_CUDA false)
if(EXISTS "${LIBTORCH_LIB}/libtorch_cuda.so")
  set(LIBTORCH_CUDA true)
  target_link_options(libtorch INTERFACE -Wl,--no-as-needed "${LIBTORCH_LIB}/libtorch_cuda.so"
                                         "${LIBTORCH_LIB}/libc10_cuda.so" -Wl,--as-needed)
endif()
