# Sanitizers of our own targets, chosen by AGENTFLOW_SANITIZE ("address,undefined" or "thread").
function(agentflow_sanitizers target)
  if(NOT AGENTFLOW_SANITIZE)
    return()
  endif()
  set(flags -fsanitize=${AGENTFLOW_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(${target} PRIVATE ${flags})
  target_link_options(${target} PRIVATE ${flags})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With a sanitizer g++ 12 loses sight of what a std::optional knows of itself.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(AGENTFLOW_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # libstdc++ uses atomic_thread_fence, which g++'s TSan does not model; the warning is not about our code.
    target_compile_options(${target} PRIVATE -Wno-tsan)
  endif()
endfunction()
