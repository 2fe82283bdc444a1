<?php
// SPDX-License-Identifier: Apache-2.0
// Sends one message as the JSON on standard input says: tests/functional/drivers.py has its members.
require '/usr/share/php/libphp-phpmailer/autoload.php';
$way = json_decode(stream_get_contents(STDIN), true);
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->Port = $way['port'];
$mail->Helo = 'client.home.test';
$mail->SMTPAutoTLS = false;
$mail->SMTPSecure = ['' => '', 'starttls' => 'tls', 'implicit' => 'ssl'][$way['tls']];
$ssl = ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true];
if ($way['certificate']) $ssl['local_cert'] = $way['certificate'];
$mail->SMTPOptions = ['ssl' => $ssl];
if ($way['auth']) {
    $mail->SMTPAuth = true;
    $mail->AuthType = $way['auth'];
    $mail->Username = $way['user'];
    $mail->Password = $way['password'];
}
$mail->setFrom($way['sender']);
$mail->addAddress($way['recipient']);
[$mail->Subject, $mail->Body] = [$way['subject'], $way['body']];
$mail->send();
