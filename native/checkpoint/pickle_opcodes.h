// The operations of a pickle that are known here, by their bytes: pickletools of Python has what they do.
#pragma once

namespace tongueforge::checkpoint::op {

inline constexpr char mark = '(', stop = '.', pop = '0', pop_mark = '1', dup = '2';
inline constexpr char proto = '\x80', frame = '\x95';
inline constexpr char none = 'N', newtrue = '\x88', newfalse = '\x89';
inline constexpr char binint = 'J', binint1 = 'K', binint2 = 'M', long1 = '\x8a', long4 = '\x8b',
                      binfloat = 'G';
inline constexpr char short_binunicode = '\x8c', binunicode = 'X', binunicode8 = '\x8d';
inline constexpr char short_binbytes = 'C', binbytes = 'B', binbytes8 = '\x8e', bytearray8 = '\x96';
inline constexpr char empty_list = ']', append = 'a', appends = 'e', list = 'l';
inline constexpr char empty_tuple = ')', tuple1 = '\x85', tuple2 = '\x86', tuple3 = '\x87', tuple = 't';
inline constexpr char empty_dict = '}', setitem = 's', setitems = 'u', dict = 'd';
inline constexpr char empty_set = '\x8f', additems = '\x90', frozenset = '\x91';
inline constexpr char binget = 'h', long_binget = 'j', binput = 'q', long_binput = 'r', memoize = '\x94';
inline constexpr char global = 'c', stack_global = '\x93', reduce = 'R', newobj = '\x81', build = 'b';
inline constexpr char binpersid = 'Q';

}  // namespace tongueforge::checkpoint::op
