# The CUDA kernels (native/**/*.cu) and the code that needs CUDA's headers (*_cuda.cpp): built where libtorch has CUDA and
# nvcc is found. Sets TONGUEFORGE_CUDA_BUILT; without it, kernels/no_cuda.cpp answers in their place.
set(TONGUEFORGE_CUDA AUTO CACHE STRING "CUDA kernels: ON, OFF, or AUTO: where libtorch has CUDA and nvcc is found")
set(TONGUEFORGE_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING
    "GPUs that the kernels are compiled for: machine code (real), or code that the driver compiles (virtual)")

set(TONGUEFORGE_CUDA_BUILT false)
if(TONGUEFORGE_CUDA STREQUAL "AUTO" AND NOT LIBTORCH_CUDA)
  return()
elseif(NOT TONGUEFORGE_CUDA)
  return()
elseif(NOT LIBTORCH_CUDA)
  message(FATAL_ERROR "TONGUEFORGE_CUDA is ON, but the libtorch in ${LIBTORCH} is a CPU build. Pass -DLIBTORCH=FOLDER "
                      "with one that has CUDA.")
endif()

include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER) # CMake would remember that there was none
  unset(CMAKE_CUDA_COMPILER CACHE)
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  set(no_nvcc "No nvcc on the PATH, nor in CUDACXX or CMAKE_CUDA_COMPILER")
  if(TONGUEFORGE_CUDA STREQUAL "AUTO")
    message(WARNING "${no_nvcc}: this build has no CUDA kernels, and what it computes on GPUs is slower.")
    return()
  endif()
  message(FATAL_ERROR "${no_nvcc}: install CUDA's compiler, or pass -DTONGUEFORGE_CUDA=OFF.")
endif()

set(CMAKE_CUDA_ARCHITECTURES "${TONGUEFORGE_CUDA_ARCHITECTURES}")
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_RUNTIME_LIBRARY None) # the one of libtorch is linked, below
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake before 3.26
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
find_package(CUDAToolkit REQUIRED)
set(TONGUEFORGE_CUDA_BUILT true)

# A process has one CUDA runtime, that which libtorch brings along under whatever name.
cmake_path(GET LIBTORCH PARENT_PATH site_packages)
foreach(place "${LIBTORCH_LIB}/libcudart*.so*" "${site_packages}/nvidia/*/lib/libcudart.so*"
              "${CUDAToolkit_LIBRARY_DIR}/libcudart.so*")
  file(GLOB found ${place})
  list(APPEND cuda_runtimes ${found})
endforeach()
list(GET cuda_runtimes 0 TONGUEFORGE_CUDA_RUNTIME)
cmake_path(GET TONGUEFORGE_CUDA_RUNTIME PARENT_PATH TONGUEFORGE_CUDA_RUNTIME_FOLDER)
string(REGEX MATCH "\\.so\\.([0-9]+)" _ "${TONGUEFORGE_CUDA_RUNTIME}")
if(CMAKE_MATCH_1 AND NOT CMAKE_MATCH_1 EQUAL CUDAToolkit_VERSION_MAJOR)
  message(FATAL_ERROR "libtorch was built with CUDA ${CMAKE_MATCH_1}, but ${CMAKE_CUDA_COMPILER} is of CUDA "
                      "${CUDAToolkit_VERSION}. Put an nvcc of CUDA ${CMAKE_MATCH_1} on the PATH, or in CUDACXX; or pass "
                      "-DTONGUEFORGE_CUDA=OFF.")
endif()
message(STATUS "CUDA ${CUDAToolkit_VERSION} for ${TONGUEFORGE_CUDA_ARCHITECTURES}, with ${TONGUEFORGE_CUDA_RUNTIME}")

# The kernels see neither libtorch nor its headers: the objects of this target are linked into the core.
file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS native/*.cu)
add_library(tongueforge_cuda OBJECT ${cuda_sources})
target_include_directories(tongueforge_cuda PRIVATE native)
target_compile_definitions(tongueforge_cuda PRIVATE TONGUEFORGE_CUDA=1)
target_compile_options(tongueforge_cuda PRIVATE -Xcompiler=-Wall,-Wextra,-Wno-unused-parameter)
