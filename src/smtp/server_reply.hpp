// SPDX-License-Identifier: Apache-2.0
//
// What our server says: code, enhanced status code (RFC 2034, RFC 3463) and text, all literals, so that a
// reply costs no allocation and can hold nothing a client sent. Replies we receive are in reply.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealpost::smtp {

struct ServerReply {
  std::uint16_t code = 0;
  std::string_view status;  // "5.5.1"; empty where RFC 2034 §4 wants none: 3yz, greeting, EHLO and HELO
  std::string_view text;
  std::string to_line() const;  // with CRLF
  bool transient() const noexcept { return code >= 400 && code < 500; }
};

namespace replies {

inline constexpr ServerReply bye{221, "2.0.0", "goodbye"};
inline constexpr ServerReply ready_for_tls{220, "2.0.0", "ready to start TLS"};
inline constexpr ServerReply ok{250, "2.0.0", "ok"};
inline constexpr ServerReply sender_ok{250, "2.1.0", "sender ok"};
inline constexpr ServerReply recipient_ok{250, "2.1.5", "recipient ok"};
inline constexpr ServerReply chunk_ok{250, "2.0.0", "chunk ok, more is wanted"};
inline constexpr ServerReply cannot_verify{252, "2.5.2", "cannot verify, will take the message and try"};
inline constexpr ServerReply help{
    214, "2.0.0", "RFC 5321: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS"};
inline constexpr ServerReply send_data{354, "", "send the message, end with CRLF . CRLF"};

// The session ends after these (RFC 5321 §3.8).
inline constexpr ServerReply shutting_down{421, "4.3.2", "shutting down, try again later"};
inline constexpr ServerReply idle_too_long{421, "4.4.2", "idle for too long, closing"};
inline constexpr ServerReply too_slow{421, "4.4.2", "sending too slowly, closing"};
inline constexpr ServerReply session_too_long{421, "4.4.2", "session open for too long, closing"};
inline constexpr ServerReply place_needed{421, "4.3.2", "too many connections, try again later"};
inline constexpr ServerReply too_many_errors{421, "4.7.0", "too many errors, closing"};
inline constexpr ServerReply too_many_connections{421, "4.7.0", "too many connections, try again later"};
inline constexpr ServerReply not_http{421, "4.7.0", "this is an SMTP server, closing"};
inline constexpr ServerReply data_before_tls{421, "4.7.0", "data sent behind STARTTLS, closing"};
inline constexpr ServerReply bare_line_end{550, "5.5.2",
                                           "bare CR or LF, a line ends in CRLF (RFC 5321 2.3.8), closing"};
inline constexpr ServerReply data_behind_auth{421, "4.7.0", "data sent behind AUTH, closing"};
inline constexpr ServerReply too_many_failures{421, "4.7.0", "too many failed authentications, closing"};
inline constexpr ServerReply auth_line_too_long{500, "5.5.6", "line too long, closing"};
inline constexpr ServerReply line_too_long{500, "5.5.2", "command line too long, closing"};
inline constexpr ServerReply bad_chunk{501, "5.5.4", "wanted BDAT size [LAST] (RFC 3030 2), closing"};

// AUTH (RFC 4954 §4, §6).
inline constexpr ServerReply authenticated{235, "2.7.0", "authenticated"};
inline constexpr ServerReply not_authenticated{535, "5.7.8", "authentication failed"};
inline constexpr ServerReply cannot_authenticate{454, "4.7.0",
                                                 "authentication is not available, try again later"};
inline constexpr ServerReply fails_too_often{454, "4.7.0",
                                             "too many failed authentications, try again later, closing"};
inline constexpr ServerReply mechanism_unknown{504, "5.5.4", "mechanism not offered"};
inline constexpr ServerReply auth_cancelled{501, "5.7.0", "authentication cancelled"};
inline constexpr ServerReply no_base64{501, "5.5.2", "cannot be read, wanted base64"};
inline constexpr ServerReply not_in_mechanism{501, "5.5.2", "not what the mechanism wants to hear"};
inline constexpr ServerReply bad_auth{501, "5.5.4", "wanted AUTH mechanism [initial response] (RFC 4954 4)"};
inline constexpr ServerReply tls_first{530, "5.7.0", "say STARTTLS first"};
inline constexpr ServerReply auth_first{530, "5.7.0", "authentication required"};
inline constexpr ServerReply auth_in_clear{538, "5.7.11",
                                           "say STARTTLS first, a password never goes in clear"};
inline constexpr ServerReply auth_is_over{503, "5.5.1", "you are authenticated already"};
inline constexpr ServerReply auth_in_transaction{503, "5.5.1", "no AUTH within a transaction"};

inline constexpr ServerReply bad_xclient{501, "5.5.4",
                                         "wanted XCLIENT with NAME=, ADDR=, PORT=, PROTO= or HELO="};
inline constexpr ServerReply may_not_speak_for_others{550, "5.7.1", "your address may not speak for others"};
inline constexpr ServerReply xclient_in_transaction{503, "5.5.1", "no XCLIENT within a transaction"};

inline constexpr ServerReply not_from_there{554, "5.7.1", "no access from your address"};
inline constexpr ServerReply tls_unavailable{454, "4.7.0", "TLS not available"};
inline constexpr ServerReply unknown_command{500, "5.5.1", "unknown command"};
inline constexpr ServerReply no_argument{501, "5.5.4", "no argument allowed"};
inline constexpr ServerReply bad_name{501, "", "say your host name or address literal (RFC 5321 4.1.1.1)"};
inline constexpr ServerReply not_implemented{502, "5.5.1", "command not implemented"};
inline constexpr ServerReply hello_first{503, "5.5.1", "say EHLO first"};
inline constexpr ServerReply mail_first{503, "5.5.1", "MAIL comes first"};
inline constexpr ServerReply transaction_open{503, "5.5.1", "a transaction was open, it has been ended"};
inline constexpr ServerReply no_authentication{503, "5.5.1", "no authentication on this port"};
inline constexpr ServerReply tls_active{503, "5.5.1", "TLS is already active"};
inline constexpr ServerReply chunks_open{503, "5.5.1",
                                         "chunks of a message were coming, it has been dropped"};
inline constexpr ServerReply chunks_need_ehlo{503, "5.5.1", "BDAT is offered to who says EHLO"};
inline constexpr ServerReply no_recipients{554, "5.5.1", "no valid recipients"};
inline constexpr ServerReply parameter_unknown{555, "5.5.4", "parameter unknown or not offered"};
inline constexpr ServerReply binary_not_offered{501, "5.5.4", "BODY=BINARYMIME is not offered to you"};
inline constexpr ServerReply binary_by_chunks{503, "5.5.1",
                                              "a BINARYMIME message comes by BDAT (RFC 3030 3)"};
inline constexpr ServerReply requiretls_not_offered{530, "5.7.10", "REQUIRETLS is only offered inside TLS"};
inline constexpr ServerReply cannot_hold{
    501, "5.5.4", "a message is held for 30 days at most, and not for a time that is long past"};
inline constexpr ServerReply too_many_recipients{452, "4.5.3",
                                                 "too many recipients, send the others separately"};
inline constexpr ServerReply too_big{552, "5.3.4", "message too big"};
inline constexpr ServerReply nul_octet{550, "5.6.0", "message contains a NUL octet"};
inline constexpr ServerReply bare_in_chunk{
    550, "5.5.2", "bare CR or LF in the message, a line ends in CRLF (RFC 5321 2.3.8)"};
inline constexpr ServerReply long_line{550, "5.6.0",
                                       "message has a line of more than 998 octets (RFC 5321 4.5.3.1.6)"};
inline constexpr ServerReply eight_bit_header{
    550, "5.6.0", "message has a header beyond ASCII, wanted RFC 2047 encoded words"};

}  // namespace replies

}  // namespace sealpost::smtp
