# -DTONGUEFORGE_SANITIZE=address,undefined: see CONTRIBUTING.md for how to run Node on such a build.
if(TONGUEFORGE_SANITIZE)
  # Reports want lines and frames; what -O3 and -g do beyond that is time and space of the build.
  add_compile_options(-fsanitize=${TONGUEFORGE_SANITIZE} -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${TONGUEFORGE_SANITIZE})
  # The library's own checks see what is good memory to a sanitizer, such as the spare room of a vector.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  if(TONGUEFORGE_SANITIZE MATCHES "undefined")
    add_compile_options(-fsanitize=float-cast-overflow)  # not among what "undefined" means
    add_link_options(-fsanitize=float-cast-overflow)
  endif()
endif()
