# -DTONGUEFORGE_SANITIZE=address,undefined: see CONTRIBUTING.md for how to run Node on such a build.
if(TONGUEFORGE_SANITIZE)
  add_compile_options(-fsanitize=${TONGUEFORGE_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${TONGUEFORGE_SANITIZE})
endif()
