// Facts of the time zone database that Intl does not tell: the names PostgreSQL 18 knows, their abbreviations (each with its offset from UTC in
// seconds), and the abbreviations accepted on input. Generated from pg_timezone_names and pg_timezone_abbrevs; the rules themselves come from Intl.

/** `ABBREV offset [ABBREV offset]` → names that use them, separated by spaces. */
export const ZONE_NAMES: Readonly<Record<string, string>> = {
  'GMT 0':
    'Africa/Abidjan Africa/Accra Africa/Bamako Africa/Banjul Africa/Bissau Africa/Conakry Africa/Dakar Africa/Freetown Africa/Lome Africa/Monrovia Africa/Nouakchott Africa/Ouagadougou Africa/Sao_Tome Africa/Timbuktu America/Danmarkshavn Atlantic/Reykjavik Atlantic/St_Helena Etc/GMT Etc/GMT+0 Etc/GMT-0 Etc/GMT0 Etc/Greenwich GMT GMT+0 GMT-0 GMT0 Greenwich Iceland',
  'EAT 10800':
    'Africa/Addis_Ababa Africa/Asmara Africa/Asmera Africa/Dar_es_Salaam Africa/Djibouti Africa/Kampala Africa/Mogadishu Africa/Nairobi Indian/Antananarivo Indian/Comoro Indian/Mayotte',
  'CET 3600': 'Africa/Algiers Africa/Tunis',
  'WAT 3600':
    'Africa/Bangui Africa/Brazzaville Africa/Douala Africa/Kinshasa Africa/Lagos Africa/Libreville Africa/Luanda Africa/Malabo Africa/Ndjamena Africa/Niamey Africa/Porto-Novo',
  'CAT 7200':
    'Africa/Blantyre Africa/Bujumbura Africa/Gaborone Africa/Harare Africa/Juba Africa/Khartoum Africa/Kigali Africa/Lubumbashi Africa/Lusaka Africa/Maputo Africa/Windhoek',
  'EET 7200 EEST 10800':
    'Africa/Cairo Asia/Beirut Asia/Famagusta Asia/Gaza Asia/Hebron Asia/Nicosia EET Egypt Europe/Athens Europe/Bucharest Europe/Chisinau Europe/Helsinki Europe/Kiev Europe/Kyiv Europe/Mariehamn Europe/Nicosia Europe/Riga Europe/Sofia Europe/Tallinn Europe/Tiraspol Europe/Uzhgorod Europe/Vilnius Europe/Zaporozhye',
  '+01 3600': 'Africa/Casablanca Africa/El_Aaiun Etc/GMT-1',
  'CET 3600 CEST 7200':
    'Africa/Ceuta Arctic/Longyearbyen Atlantic/Jan_Mayen CET Europe/Amsterdam Europe/Andorra Europe/Belgrade Europe/Berlin Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris Europe/Podgorica Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm Europe/Tirane Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich MET Poland',
  'SAST 7200': 'Africa/Johannesburg Africa/Maseru Africa/Mbabane',
  'EET 7200': 'Africa/Tripoli Europe/Kaliningrad Libya',
  'HST -36000 HDT -32400': 'America/Adak America/Atka US/Aleutian',
  'AKST -32400 AKDT -28800': 'America/Anchorage America/Juneau America/Metlakatla America/Nome America/Sitka America/Yakutat US/Alaska',
  'AST -14400':
    'America/Anguilla America/Antigua America/Aruba America/Barbados America/Blanc-Sablon America/Curacao America/Dominica America/Grenada America/Guadeloupe America/Kralendijk America/Lower_Princes America/Marigot America/Martinique America/Montserrat America/Port_of_Spain America/Puerto_Rico America/Santo_Domingo America/St_Barthelemy America/St_Kitts America/St_Lucia America/St_Thomas America/St_Vincent America/Tortola America/Virgin',
  '-03 -10800':
    'America/Araguaina America/Argentina/Buenos_Aires America/Argentina/Catamarca America/Argentina/ComodRivadavia America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman America/Argentina/Ushuaia America/Asuncion America/Bahia America/Belem America/Buenos_Aires America/Catamarca America/Cayenne America/Cordoba America/Coyhaique America/Fortaleza America/Jujuy America/Maceio America/Mendoza America/Montevideo America/Paramaribo America/Punta_Arenas America/Recife America/Rosario America/Santarem America/Sao_Paulo Antarctica/Palmer Antarctica/Rothera Atlantic/Stanley Brazil/East Etc/GMT+3',
  'EST -18000': 'America/Atikokan America/Cancun America/Cayman America/Coral_Harbour America/Jamaica America/Panama EST Jamaica',
  'CST -21600':
    'America/Bahia_Banderas America/Belize America/Chihuahua America/Costa_Rica America/El_Salvador America/Guatemala America/Managua America/Merida America/Mexico_City America/Monterrey America/Regina America/Swift_Current America/Tegucigalpa Canada/Saskatchewan Mexico/General',
  '-04 -14400':
    'America/Boa_Vista America/Campo_Grande America/Caracas America/Cuiaba America/Guyana America/La_Paz America/Manaus America/Porto_Velho Brazil/West Etc/GMT+4',
  '-05 -18000':
    'America/Bogota America/Eirunepe America/Guayaquil America/Lima America/Porto_Acre America/Rio_Branco Brazil/Acre Etc/GMT+5',
  'MST -25200 MDT -21600':
    'America/Boise America/Cambridge_Bay America/Ciudad_Juarez America/Denver America/Edmonton America/Inuvik America/Shiprock America/Yellowknife Canada/Mountain MST7MDT Navajo US/Mountain',
  'CST -21600 CDT -18000':
    'America/Chicago America/Indiana/Knox America/Indiana/Tell_City America/Knox_IN America/Matamoros America/Menominee America/North_Dakota/Beulah America/North_Dakota/Center America/North_Dakota/New_Salem America/Ojinaga America/Rainy_River America/Rankin_Inlet America/Resolute America/Winnipeg CST6CDT Canada/Central US/Central US/Indiana-Starke',
  'MST -25200':
    'America/Creston America/Dawson America/Dawson_Creek America/Fort_Nelson America/Hermosillo America/Mazatlan America/Phoenix America/Whitehorse Canada/Yukon MST Mexico/BajaSur US/Arizona',
  'EST -18000 EDT -14400':
    'America/Detroit America/Fort_Wayne America/Grand_Turk America/Indiana/Indianapolis America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Vevay America/Indiana/Vincennes America/Indiana/Winamac America/Indianapolis America/Iqaluit America/Kentucky/Louisville America/Kentucky/Monticello America/Louisville America/Montreal America/Nassau America/New_York America/Nipigon America/Pangnirtung America/Port-au-Prince America/Thunder_Bay America/Toronto Canada/Eastern EST5EDT US/East-Indiana US/Eastern US/Michigan',
  'PST -28800 PDT -25200':
    'America/Ensenada America/Los_Angeles America/Santa_Isabel America/Tijuana America/Vancouver Canada/Pacific Mexico/BajaNorte PST8PDT US/Pacific',
  'AST -14400 ADT -10800':
    'America/Glace_Bay America/Goose_Bay America/Halifax America/Moncton America/Thule Atlantic/Bermuda Canada/Atlantic',
  '-02 -7200 -01 -3600': 'America/Godthab America/Nuuk America/Scoresbysund',
  'CST -18000 CDT -14400': 'America/Havana Cuba',
  '-03 -10800 -02 -7200': 'America/Miquelon',
  '-02 -7200': 'America/Noronha Atlantic/South_Georgia Brazil/DeNoronha Etc/GMT+2',
  '-03 -10800 -04 -14400': 'America/Santiago Chile/Continental',
  'NST -12600 NDT -9000': 'America/St_Johns Canada/Newfoundland',
  '+08 28800':
    'Antarctica/Casey Asia/Brunei Asia/Choibalsan Asia/Irkutsk Asia/Kuala_Lumpur Asia/Kuching Asia/Singapore Asia/Ulaanbaatar Asia/Ulan_Bator Etc/GMT-8 Singapore',
  '+07 25200':
    'Antarctica/Davis Asia/Bangkok Asia/Barnaul Asia/Ho_Chi_Minh Asia/Hovd Asia/Krasnoyarsk Asia/Novokuznetsk Asia/Novosibirsk Asia/Phnom_Penh Asia/Saigon Asia/Tomsk Asia/Vientiane Etc/GMT-7 Indian/Christmas',
  '+10 36000':
    'Antarctica/DumontDUrville Asia/Ust-Nera Asia/Vladivostok Etc/GMT-10 Pacific/Chuuk Pacific/Port_Moresby Pacific/Truk Pacific/Yap',
  'AEDT 39600 AEST 36000':
    'Antarctica/Macquarie Australia/ACT Australia/Canberra Australia/Currie Australia/Hobart Australia/Melbourne Australia/NSW Australia/Sydney Australia/Tasmania Australia/Victoria',
  '+05 18000':
    'Antarctica/Mawson Antarctica/Vostok Asia/Almaty Asia/Aqtau Asia/Aqtobe Asia/Ashgabat Asia/Ashkhabad Asia/Atyrau Asia/Dushanbe Asia/Oral Asia/Qostanay Asia/Qyzylorda Asia/Samarkand Asia/Tashkent Asia/Yekaterinburg Etc/GMT-5 Indian/Kerguelen Indian/Maldives',
  'NZDT 46800 NZST 43200': 'Antarctica/McMurdo Antarctica/South_Pole NZ Pacific/Auckland',
  '+03 10800':
    'Antarctica/Syowa Asia/Aden Asia/Amman Asia/Baghdad Asia/Bahrain Asia/Damascus Asia/Istanbul Asia/Kuwait Asia/Qatar Asia/Riyadh Etc/GMT-3 Europe/Istanbul Europe/Minsk Turkey',
  '+00 0 +02 7200': 'Antarctica/Troll',
  '+12 43200':
    'Asia/Anadyr Asia/Kamchatka Etc/GMT-12 Kwajalein Pacific/Fiji Pacific/Funafuti Pacific/Kwajalein Pacific/Majuro Pacific/Nauru Pacific/Tarawa Pacific/Wake Pacific/Wallis',
  '+04 14400':
    'Asia/Baku Asia/Dubai Asia/Muscat Asia/Tbilisi Asia/Yerevan Etc/GMT-4 Europe/Astrakhan Europe/Samara Europe/Saratov Europe/Ulyanovsk Indian/Mahe Indian/Mauritius Indian/Reunion',
  '+06 21600': 'Asia/Bishkek Asia/Dacca Asia/Dhaka Asia/Kashgar Asia/Omsk Asia/Thimbu Asia/Thimphu Asia/Urumqi Etc/GMT-6 Indian/Chagos',
  'IST 19800': 'Asia/Calcutta Asia/Kolkata',
  '+09 32400': 'Asia/Chita Asia/Dili Asia/Khandyga Asia/Yakutsk Etc/GMT-9 Pacific/Palau',
  'CST 28800': 'Asia/Chongqing Asia/Chungking Asia/Harbin Asia/Macao Asia/Macau Asia/Shanghai Asia/Taipei PRC ROC',
  '+0530 19800': 'Asia/Colombo',
  'HKT 28800': 'Asia/Hong_Kong Hongkong',
  'WIB 25200': 'Asia/Jakarta Asia/Pontianak',
  'WIT 32400': 'Asia/Jayapura',
  'IST 7200 IDT 10800': 'Asia/Jerusalem Asia/Tel_Aviv Israel',
  '+0430 16200': 'Asia/Kabul',
  'PKT 18000': 'Asia/Karachi',
  '+0545 20700': 'Asia/Kathmandu Asia/Katmandu',
  '+11 39600':
    'Asia/Magadan Asia/Sakhalin Asia/Srednekolymsk Etc/GMT-11 Pacific/Bougainville Pacific/Efate Pacific/Guadalcanal Pacific/Kosrae Pacific/Noumea Pacific/Pohnpei Pacific/Ponape',
  'WITA 28800': 'Asia/Makassar Asia/Ujung_Pandang',
  'PST 28800': 'Asia/Manila',
  'KST 32400': 'Asia/Pyongyang Asia/Seoul ROK',
  '+0630 23400': 'Asia/Rangoon Asia/Yangon Indian/Cocos',
  '+0330 12600': 'Asia/Tehran Iran',
  'JST 32400': 'Asia/Tokyo Japan',
  '-01 -3600 +00 0': 'Atlantic/Azores',
  'WET 0 WEST 3600': 'Atlantic/Canary Atlantic/Faeroe Atlantic/Faroe Atlantic/Madeira Europe/Lisbon Portugal WET',
  '-01 -3600': 'Atlantic/Cape_Verde Etc/GMT+1',
  'ACDT 37800 ACST 34200': 'Australia/Adelaide Australia/Broken_Hill Australia/South Australia/Yancowinna',
  'AEST 36000': 'Australia/Brisbane Australia/Lindeman Australia/Queensland',
  'ACST 34200': 'Australia/Darwin Australia/North',
  '+0845 31500': 'Australia/Eucla',
  '+11 39600 +1030 37800': 'Australia/LHI Australia/Lord_Howe',
  'AWST 28800': 'Australia/Perth Australia/West',
  '-05 -18000 -06 -21600': 'Chile/EasterIsland Pacific/Easter',
  'GMT 0 IST 3600': 'Eire Europe/Dublin',
  '-10 -36000': 'Etc/GMT+10 Pacific/Rarotonga Pacific/Tahiti',
  '-11 -39600': 'Etc/GMT+11 Pacific/Niue',
  '-12 -43200': 'Etc/GMT+12',
  '-06 -21600': 'Etc/GMT+6 Pacific/Galapagos',
  '-07 -25200': 'Etc/GMT+7',
  '-08 -28800': 'Etc/GMT+8 Pacific/Pitcairn',
  '-09 -32400': 'Etc/GMT+9 Pacific/Gambier',
  '+13 46800': 'Etc/GMT-13 Pacific/Apia Pacific/Enderbury Pacific/Fakaofo Pacific/Kanton Pacific/Tongatapu',
  '+14 50400': 'Etc/GMT-14 Pacific/Kiritimati',
  '+02 7200': 'Etc/GMT-2',
  'UTC 0': 'Etc/UCT Etc/UTC Etc/Universal Etc/Zulu UCT UTC Universal Zulu',
  'GMT 0 BST 3600': 'Europe/Belfast Europe/Guernsey Europe/Isle_of_Man Europe/Jersey Europe/London GB GB-Eire',
  'MSK 10800': 'Europe/Kirov Europe/Moscow Europe/Simferopol Europe/Volgograd W-SU',
  '-00 0': 'Factory',
  'HST -36000': 'HST Pacific/Honolulu Pacific/Johnston US/Hawaii',
  '+1345 49500 +1245 45900': 'NZ-CHAT Pacific/Chatham',
  'ChST 36000': 'Pacific/Guam Pacific/Saipan',
  '-0930 -34200': 'Pacific/Marquesas',
  'SST -39600': 'Pacific/Midway Pacific/Pago_Pago Pacific/Samoa US/Samoa',
  '+12 43200 +11 39600': 'Pacific/Norfolk',
}

/** Abbreviations accepted on input: `abbrev offset`, with `d` behind those of daylight saving time. */
export const ZONE_ABBREVIATIONS =
  'acdt 37800d acsst 37800d acst 34200 act -18000 acwst 31500 adt -10800d aedt 39600d aesst 39600d aest 36000 aft 16200 akdt -28800d akst -32400 almst 25200d almt 21600 amst 14400 amt -14400 anast 43200 anat 43200 arst -10800 art -10800 ast -14400 awsst 32400d awst 28800 azost 0d azot -3600 azst 14400 azt 14400 bdst 7200d bdt 21600 bnt 28800 bort 28800 bot -14400 bra -10800 brst -7200d brt -10800 bst 3600d btt 21600 cadt 37800d cast 34200 cct 28800 cdt -18000d cest 7200d cet 3600 cetdst 7200d chadt 49500d chast 45900 chut 36000 ckt -36000 clst -10800d clt -10800d cot -18000 cst -21600 cxt 25200 davt 25200 ddut 36000 easst -18000d east -18000d eat 10800 edt -14400d eest 10800d eet 7200 eetdst 10800d egst 0d egt -3600 est -18000 fet 10800 fjst 46800d fjt 43200 fkst -10800 fkt -10800 fnst -3600d fnt -7200 galt -21600 gamt -32400 gest 14400 get 14400 gft -10800 gilt 43200 gmt 0 gyt -14400 hkt 28800 hst -36000 ict 25200 idt 10800d iot 21600 irkst 28800 irkt 28800 irt 12600 ist 7200 jayt 32400 jst 32400 kdt 36000d kgst 21600d kgt 21600 kost 39600 krast 25200 krat 25200 kst 32400 lhdt 39600d lhst 37800 ligt 36000 lint 50400 lkt 19800 magst 39600 magt 39600 mart -34200 mawt 18000 mdt -21600d mest 7200d mesz 7200d met 3600 metdst 7200d mez 3600 mht 43200 mmt 23400 mpt 36000 msd 14400d msk 10800 mst -25200 must 18000d mut 14400 mvt 18000 myt 28800 ndt -9000d nft -12600 novst 25200 novt 25200 npt 20700 nst -12600 nut -39600 nzdt 46800d nzst 43200 nzt 43200 omsst 21600 omst 21600 pdt -25200d pet -18000 petst 43200 pett 43200 pgt 36000 pht 28800 pkst 21600d pkt 18000 pmdt -7200d pmst -10800 pont 39600 pst -28800 pwt 32400 pyst -10800d pyt -10800 ret 14400 sadt 37800d sast 7200 sct 14400 sgt 28800 taht -36000 tft 18000 tjt 18000 tkt 46800 tmt 18000 tot 46800 trut 36000 tvt 43200 uct 0 ulast 32400d ulat 28800 ut 0 utc 0 uyst -7200d uyt -10800 uzst 21600d uzt 18000 vet -14400 vlast 36000 vlat 36000 volt 10800 vut 39600 wadt 28800d wakt 43200 wast 25200 wat 3600 wdt 32400d wet 0 wetdst 3600d wft 43200 wgst -7200d wgt -10800 xjt 21600 yakst 32400 yakt 32400 yapt 36000 yekst 21600d yekt 18000 z 0 zulu 0'
